"""Makes what transformers' chat templates give (see README.md).

    python make.py                      `conversations.json`, `cases.json` and, for the templates in `templates/`, `expected.json`
    python make.py --published FOLDER   `published.json`, digests for the templates that `cargo xtask models` puts into FOLDER,
                                        `$XDG_CACHE_HOME/pilot-light` or `~/.cache/pilot-light`

The reference is transformers, which runs Jinja2, at the versions in requirements.txt.
"""

import argparse
import datetime
import json
from pathlib import Path

import jinja2
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

from cases import CASES
from conversations import CONVERSATIONS

HERE = Path(__file__).resolve().parent
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
NOW = datetime.datetime(2024, 7, 6, 15, 4, 9)
DIGESTED = "fnv1a:"


class Clock(datetime.datetime):
    """A clock that stands, for `strftime_now`."""

    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = Clock


def tokenizer(source: str, tokens: dict) -> PreTrainedTokenizerFast:
    made = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), **tokens)
    made.chat_template = source
    return made


def rendered(made: PreTrainedTokenizerFast, conversation: dict) -> dict:
    options = {key: value for key, value in conversation.items() if key != "name"}
    try:
        return {"text": made.apply_chat_template(options.pop("messages"), tokenize=False, **options)}
    except jinja2.exceptions.TemplateError as error:
        # `raise_exception` raises this class itself, errors of the engine are of its subclasses.
        return {"raised": str(error)} if type(error) is jinja2.exceptions.TemplateError else {"fails": type(error).__name__}
    except Exception as error:  # Whatever Python raises where a template cannot be rendered.
        return {"fails": type(error).__name__}


def fnv1a(text: str) -> str:
    """FNV-1a with 64 bits."""
    digest = 0xCBF29CE484222325
    for byte in text.encode("utf-8", "surrogatepass"):
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return f"{digest:016x}"


def digested(result: dict) -> str:
    if "text" in result:
        return fnv1a(result["text"])
    return f"raised {fnv1a(result['raised'])}" if "raised" in result else "fails"


def published(folder: Path) -> dict:
    """The templates in `folder`, each with its special tokens."""
    found = {}
    for file in sorted(folder.glob("samples/templates-*/**/*.jinja")):
        found[str(file.relative_to(folder))] = (file.read_text(encoding="utf-8"), TOKENS)
    for file in sorted(folder.glob("samples/**/tokenizer_config.json")):
        config = json.loads(file.read_text(encoding="utf-8"))
        if "chat_template" in config:
            tokens = {key: config.get(key) for key in TOKENS}
            texts = {key: token["content"] if isinstance(token, dict) else token for key, token in tokens.items() if token}
            found[str(file.relative_to(folder))] = (config["chat_template"], texts)
    return found


def write(name: str, value: object) -> None:
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--published", type=Path)
    folder = parser.parse_args().published
    if folder:
        write("published.json", {
            name: [digested(rendered(tokenizer(source, tokens), conversation)) for conversation in CONVERSATIONS]
            for name, (source, tokens) in published(folder).items()
        })
        return
    write("conversations.json", CONVERSATIONS)
    # With the conversation of several turns.
    of_cases = next(it for it in CONVERSATIONS if it["name"] == "several turns")
    write("cases.json", [{"template": case, **rendered(tokenizer(case, TOKENS), of_cases)} for case in CASES])
    own = {file.stem: file.read_text(encoding="utf-8") for file in sorted((HERE / "templates").glob("*.jinja"))}
    write("expected.json", {
        name: [rendered(tokenizer(source, TOKENS), conversation) for conversation in CONVERSATIONS]
        for name, source in own.items()
    })


if __name__ == "__main__":
    main()
