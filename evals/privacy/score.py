"""Scores redacted texts: recall and precision of the redaction of known personal data.

    python score.py --sentences FILE --redacted FILE

SENTENCES is the output of make.py, REDACTED that of `pilot-light redact` for its texts. The rows go to stdout as a JSON array:
for names, addresses and so on, and for each format, the number of values and the share of them that is removed whole, every
letter and digit (`recall`). `precision` is the share of the removed words that are part of a labelled value of any type; `others`
are the words that are part of none.
"""

import argparse
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

NAMES = {"person", "name", "name_male", "name_female", "first_name", "first_name_male", "first_name_female", "first_name_nonbinary",
         "last_name", "last_name_male", "last_name_female"}
ADDRESSES = {"address", "street_name", "building_number", "secondary_address", "postcode", "zipcode"}
# Standalone, not as the end of an address.
CITIES = {"city", "state", "state_abbr"}
COUNTRIES = {"country"}
# The package adds this to some addresses; it is not part of them.
PREFIX = "the corner of "
WORD = re.compile(r"[^\W_]+")


class Redacted:
    """A text and the characters of it that were redacted."""

    def __init__(self, text: str, redacted: str, places: list[list[int]]):
        self.text = text
        # From byte offsets to character indices.
        starts, at = {}, 0
        for index, char in enumerate(text):
            starts[at] = index
            at += len(char.encode())
        starts[at] = len(text)
        places = [(starts[begin], starts[end]) for begin, end in places]
        check(text, redacted, places)
        self.taken = [False] * len(text)
        for begin, end in places:
            self.taken[begin:end] = [True] * (end - begin)

    def left(self, begin: int, end: int) -> tuple[int, int]:
        """The number of letters and digits, and how many of them were not redacted."""
        counted = [index for index in range(begin, end) if self.text[index].isalnum()]
        return len(counted), sum(not self.taken[index] for index in counted)


def check(text: str, redacted: str, places: list[tuple[int, int]]) -> None:
    """Ends the program unless the redacted text is the text with placeholders at `places` and nowhere else."""
    rest, at = redacted, 0
    for begin, end in places:
        rest, before = rest.removeprefix(text[at:begin]), rest
        name = re.match(r"\[[A-Z0-9_]+_[0-9]+\]", rest)
        if len(before) - len(rest) != begin - at or name is None:
            sys.exit(f"the spans do not match the redacted text: {redacted}")
        rest, at = rest[name.end():], end
    if rest != text[at:]:
        sys.exit(f"the spans do not match the redacted text: {redacted}")


class Tally:
    def __init__(self):
        self.values = self.whole = self.characters = self.left = 0

    def add(self, characters: int, left: int) -> None:
        self.values += 1
        self.whole += left == 0
        self.characters += characters
        self.left += left

    def row(self, name: str, **more) -> dict:
        recall = {"recall": rounded(self.whole / self.values), "character_recall": rounded(1 - self.left / self.characters)}
        return {"name": f"privacy/{name}", "values": self.values, "values_left": self.values - self.whole, **recall, **more}


def group(kind: str) -> str | None:
    groups = {"names": NAMES, "addresses": ADDRESSES, "cities": CITIES, "countries": COUNTRIES}
    return next((name for name, kinds in groups.items() if kind in kinds), None)


def rows(sentences: list[dict], redacted: list[dict]) -> list[dict]:
    groups, forms, invalid = defaultdict(Tally), defaultdict(Tally), defaultdict(Tally)
    words = right = others = 0
    for sentence, found in zip(sentences, redacted, strict=True):
        text = sentence["text"]
        outcome = Redacted(text, found["redacted"], found["places"])
        labelled = [value["place"] for value in sentence["values"]]
        for value in sentence["values"]:
            (begin, end), kind = value["place"], value["type"]
            if text[begin:end].lower().startswith(PREFIX):
                begin += len(PREFIX)
            counted = outcome.left(begin, end)
            if group(kind):
                groups[group(kind)].add(*counted)
            if value["valid"] is not None:
                (forms if value["valid"] else invalid)[kind].add(*counted)
        for word in WORD.finditer(text):
            personal = any(begin < word.end() and word.start() < end for begin, end in labelled)
            taken = any(outcome.taken[word.start():word.end()])
            words += taken
            right += taken and personal
            others += not personal
    counts = {"sentences": len(sentences), "taken_out": words, "precision": rounded(right / words)}
    summary = {"name": "privacy/words", **counts, "others": others, "others_taken_out": words - right}
    kinds = [groups[name].row(name) for name in ("names", "addresses", "cities", "countries") if groups[name].values]
    with_form = [forms[kind].row(f"form/{kind}") for kind in sorted(forms)]
    without = [invalid[kind].row(f"no-valid-form/{kind}") for kind in sorted(invalid)]
    return [summary, *kinds, *with_form, *without]


def rounded(share: float) -> float:
    """Rounded down to four decimals."""
    return int(share * 10_000) / 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=Path, required=True)
    parser.add_argument("--redacted", type=Path, required=True)
    options = parser.parse_args()
    read = lambda path: [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
    print(json.dumps(rows(read(options.sentences), read(options.redacted))))


if __name__ == "__main__":
    main()
