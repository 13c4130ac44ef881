"""Sentiment data: graded sentences to train on, three labelled sets to test on.

Trained on film and product reviews and short messages. The source has a fourth part, newspaper
editorials, which is left out: its ratings grade the news, not what the writer thinks of something.
"""

import html
import io
import json
import re
import tarfile
from pathlib import Path

from near_duplicates import group_texts, normalise
from packages import SENTIMENT, VADER, fetch

GRADED = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
FILM, PRODUCT, MESSAGE = "movieReviewSnippets", "amazonReviewSnippets", "tweets"
TESTS = ("imdb", "amazon", "yelp")

# Placeholders of the data's authors for names and addresses; users do not write these.
PLACEHOLDER = re.compile(r"@anonymous\b|http://url_removed")

# Ratings go from -4 to 4. A sentence nearer to 0 than this has no clear side and is left out.
MARGIN = 0.5

SOURCES = [
    (VADER, f"to train on: film, product and tweet sentences whose mean rating is at least {MARGIN} from 0 (scale -4 "
            "to 4), less those that a test set holds as well"),
    (SENTIMENT, "to test on: test/fixtures"),
]


def splits(packages: Path) -> dict[str, list[dict]]:
    """The rows of each file to write, by its name."""
    tests = test_sets(fetch(SENTIMENT, packages))
    archive = fetch(VADER, packages)
    rows = [row for part in (FILM, PRODUCT, MESSAGE) for row in graded_sentences(archive, part)
            if abs(row["rating"]) >= MARGIN]

    # A training text that is also in a test set would make the test measure memorisation: it is removed.
    texts = [normalise(row["text"]) for row in rows]
    tested = [normalise(row["text"]) for test in tests.values() for row in test]
    alike = group_texts(texts + tested, [""] * len(texts + tested))
    seen = set(alike[len(texts):])
    groups = group_texts(texts, [row["document"] for row in rows])
    train = [{"text": row["text"], "label": "positive" if row["rating"] > 0 else "negative", "group": group}
             for row, group, key in zip(rows, groups, alike) if key not in seen]
    return {"train": train} | {f"test-{name}": rows for name, rows in tests.items()}


def graded_sentences(archive: Path, part: str) -> list[dict]:
    """Every sentence of one part with the mean rating of its readers and the document it is from, where known."""
    with tarfile.open(archive) as package:
        inner = io.BytesIO(package.extractfile(GRADED).read())
    with tarfile.open(fileobj=inner) as data:
        lines = data.extractfile(f"hutto_ICWSM_2014/{part}_GroundTruth.txt").read().decode("utf-8")
    rows = []
    for line in lines.splitlines():
        name, rating, text = line.split("\t", 2)
        # Names are `12_3`, the third sentence of document 12, or a bare number.
        document, _, sentence = name.partition("_")
        rows.append({"text": tidy(PLACEHOLDER.sub("", html.unescape(text))), "rating": float(rating),
                     "document": f"{part} {document}" if sentence else ""})
    return [row for row in rows if row["text"]]


def test_sets(archive: Path) -> dict[str, list[dict]]:
    """The three test sets. Each file ends with an empty row without a class, which is dropped."""
    sets = {}
    with tarfile.open(archive) as package:
        for name in TESTS:
            rows = json.load(package.extractfile(f"package/test/fixtures/{name}.json"))
            sets[name] = [{"text": tidy(row["text"]), "label": ("negative", "positive")[row["class"]]}
                          for row in rows if row["class"] is not None]
    return sets


def tidy(text: str) -> str:
    return " ".join(text.split())
