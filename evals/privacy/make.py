"""Generates sentences with known entities of personal data, for the redaction evaluation.

They come from presidio-evaluator's templates and invented people, with a fixed seed, and from a few more templates for formats
that the package has none for. Only the times of day in a few differ from run to run.

The thresholds of the redaction model were chosen on other sentences than those that are measured: each template and each
surname belongs to one of two halves, by its digest. `--half measured` (the default) is the held-out half; `--half chosen` is the
one that the thresholds were chosen on.

    python make.py --out FILE

FILE has a JSON line for each sentence: {text, values}; a value is {place: [begin, end], type, valid}, in characters. `valid` is
the result of a third-party validator for a value with a format, and null for others.
"""

import argparse
import hashlib
import json
import random
import string
import sys
from pathlib import Path
from unittest.mock import MagicMock

# Half a gigabyte of imports of the package that are not needed here.
UNUSED = ["dotenv", "presidio_analyzer", "presidio_anonymizer", "spacy", "spacy.language", "spacy.tokens", "spacy.training"]
sys.modules |= {name: MagicMock() for name in UNUSED}
# It would ask public servers for names of hospitals, for which there is a list, and whether secrets are in use.
sys.modules["requests"] = MagicMock(get=MagicMock(side_effect=OSError))

from faker.providers import BaseProvider  # noqa: E402
from presidio_evaluator.data_generator import PresidioSentenceFaker, raw_data_dir  # noqa: E402
from presidio_evaluator.data_generator.faker_extensions.datasets import load_fake_person_df  # noqa: E402
from presidio_evaluator.data_generator.presidio_sentence_faker import presidio_additional_entity_providers  # noqa: E402

from validators import validity  # noqa: E402

COUNT = 4000
SEED = 2026
LOWER_CASE_RATIO = 0.05
HALVES = ["chosen", "measured"]

FORMS = [
    "The router is {{mac_address}}, please let it into the network",
    "Our database is at {{url_with_credentials}} until Friday",
    "I cannot log in with {{api_key}} any more",
    "Set the token to {{api_key}} and try {{url_with_credentials}} again",
    "{{first_name}} says that {{mac_address}} is not in the list",
    "Two accounts, {{iban}} and {{iban}}, and one card: {{credit_card_number}}",
    "{{ip_address}} is ours, {{ip_address}} is not; ask {{email}} or {{phone_number}}",
    "They want the social security number too ({{ssn}}), by mail to {{email}}",
]


class FormsProvider(BaseProvider):
    """Values with a format that the package does not generate."""

    def url_with_credentials(self) -> str:
        scheme = self.random_element(["https", "postgres", "ftp", "redis", "amqp"])
        user, password, host = self.generator.user_name(), self.generator.password(special_chars=False), self.generator.domain_name()
        return f"{scheme}://{user}:{password}@{host}/{self.generator.slug()}"

    def api_key(self) -> str:
        letters, capitals = string.ascii_letters + string.digits, string.ascii_uppercase + string.digits
        draw = lambda alphabet, length: "".join(random.choices(alphabet, k=length))
        return self.random_element([
            "AKIA" + draw(capitals, 16),
            "ghp_" + draw(letters, 36),
            f"xoxb-{draw(string.digits, 12)}-{draw(string.digits, 12)}-{draw(letters, 24)}",
            "sk_live_" + draw(letters, 24),
            "glpat-" + draw(letters, 20),
        ])


def half(text: str) -> str:
    return HALVES[hashlib.sha256(text.encode()).digest()[0] % 2]


def sentences(wanted: str) -> list[dict]:
    templates = (raw_data_dir / "templates.txt").read_text("utf-8").splitlines()
    # An escaped line break.
    templates = [line.strip().replace("\\n", "\n") for line in templates if half(line.strip()) == wanted]
    # The package draws its invented people before it sets the seed.
    random.seed(SEED)
    people = load_fake_person_df()
    people = people[[half(str(surname)) == wanted for surname in people.last_name]]
    faker = PresidioSentenceFaker(
        "en_US",
        lower_case_ratio=LOWER_CASE_RATIO,
        sentence_templates=templates + FORMS,
        entity_providers=[*presidio_additional_entity_providers, FormsProvider],
        base_records=people,
        # The type names of the templates, unchanged.
        entity_type_mapping={name: name for name in (*PresidioSentenceFaker.ENTITY_TYPE_MAPPING, *FormsProvider.__dict__, "mac_address")},
        random_seed=SEED,
    )
    return [sentence(made) for made in faker.generate_new_fake_sentences(COUNT)]


def sentence(made) -> dict:
    # The package stores lower-cased sentences in `fake`, next to the text.
    small = getattr(made, "fake", made.full_text)
    text = small if len(small) == len(made.full_text) else made.full_text
    values = []
    for span in made.spans:
        begin, end, kind = span.start_position, span.end_position, span.entity_type
        value = text[begin:end]
        values.append({"place": [begin, end], "type": kind, "valid": validity(kind, value)})
    return {"text": text, "values": values}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=HALVES, default="measured", help="which templates and people")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    options = parser.parse_args()
    lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in sentences(options.half)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
