"""Short passages of a mail: users also sort one-line messages, which whole mails do not teach."""

import re

REPLY_MARK = re.compile(r"^(?:(?:re|fwd?|aw|sv)\s*(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)
# Lines that are not the sender's own prose: quotations, rules, signatures, images, and headers copied into the body.
NOT_OWN = re.compile(r"^\s*(?:[>|:#\[]|--|[A-Z][\w-]*:\s)")
WORD = re.compile(r"[A-Za-z']{2,}")
LEAST_WORDS = 4
ENOUGH_WORDS = 8
MOST_WORDS = 40


def subject_line(subject: str) -> str:
    """The subject without reply prefixes such as `Re:`: messages do not begin with them."""
    return REPLY_MARK.sub("", subject).strip()


def opening(body: str) -> str:
    """The first sentence or two of the sender's own text; empty if the mail has no such text."""
    for paragraph in body.split("\n\n"):
        own = " ".join(line for line in paragraph.split("\n") if not NOT_OWN.match(line)).strip()
        # A colon at the end introduces a quotation: "On Monday Ann wrote:".
        if own.endswith(":") or len(WORD.findall(own)) < LEAST_WORDS:
            continue
        words: list[str] = []
        for sentence in re.split(r"(?<=[.!?])\s+", own):
            words += sentence.split()
            if len(words) >= ENOUGH_WORDS:
                break
        return " ".join(words[:MOST_WORDS])
    return ""
