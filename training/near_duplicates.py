"""Near-duplicate detection: groups of similar texts, so that a split cannot separate them."""

import hashlib
import re
from collections import defaultdict

SHINGLE_WORDS = 4
SKETCH_SIZE = 64
SIMILARITY = 0.4


def normalise(text: str) -> str:
    """Lower case, letters and digits only, one space between words."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sketch(normalised: str) -> list[int]:
    """The SKETCH_SIZE smallest hashes of the text's word shingles, digits left out.

    # Source
    Broder, "On the resemblance and containment of documents" (1997), section 4: bottom-k sketch.
    """
    words = [word for word in normalised.split() if not any(c.isdigit() for c in word)]
    count = max(1, len(words) - SHINGLE_WORDS + 1)
    shingles = {" ".join(words[i:i + SHINGLE_WORDS]) for i in range(count)}
    return sorted(int(digest(shingle)[:16], 16) for shingle in shingles)[:SKETCH_SIZE]


def resemblance(left: list[int], right: list[int]) -> float:
    """Estimated Jaccard similarity of the two texts' shingles, 0 to 1."""
    union = sorted(set(left) | set(right))[:SKETCH_SIZE]
    return len(set(left) & set(right) & set(union)) / len(union)


class Groups:
    """Disjoint sets over 0..n."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))

    def root(self, item: int) -> int:
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def join(self, left: int, right: int) -> None:
        left, right = sorted((self.root(left), self.root(right)))
        self.parent[right] = left


def group_texts(normalised: list[str], threads: list[str]) -> list[str]:
    """A key for each text; texts with the same thread or a resemblance of SIMILARITY share it.

    The key is the smallest digest in the group: it depends on the texts, not on their order.
    """
    groups = Groups(len(normalised))
    first_of_thread: dict[str, int] = {}
    for index, thread in enumerate(threads):
        if thread:
            groups.join(index, first_of_thread.setdefault(thread, index))
    sketches = [sketch(text) for text in normalised]
    holders = defaultdict(list)
    for index, hashes in enumerate(sketches):
        # Similar texts share some of their smallest hashes; comparing only those pairs is enough.
        candidates = {other for value in hashes[:24] for other in holders[value]}
        for other in candidates:
            if groups.root(other) != groups.root(index) and resemblance(sketches[other], hashes) >= SIMILARITY:
                groups.join(other, index)
        for value in hashes[:24]:
            holders[value].append(index)
    keys: dict[int, str] = {}
    for index, text in enumerate(normalised):
        root = groups.root(index)
        keys[root] = min(keys.get(root, "~"), digest(text))
    return [keys[groups.root(index)] for index in range(len(normalised))]
