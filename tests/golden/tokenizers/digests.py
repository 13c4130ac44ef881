"""Digests of what a tokenizer makes of the texts."""

from tokenizers import Tokenizer

from texts import texts


def bytes_of(text: str) -> list[int]:
    """The offset in UTF-8 of each character, and of the end."""
    offsets = [0]
    for character in text:
        offsets.append(offsets[-1] + len(character.encode("utf-8")))
    return offsets


def fnv1a(data: bytes) -> str:
    """FNV-1a with 64 bits."""
    digest = 0xCBF29CE484222325
    for byte in data:
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return f"{digest:016x}"


def tokens(tokenizer: Tokenizer, text: str) -> str:
    """Each token's id and its offsets in bytes: `12:0:5 7:5:6`."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    at = bytes_of(text)
    return " ".join(f"{id}:{at[start]}:{at[end]}" for id, (start, end) in zip(encoding.ids, encoding.offsets))


def digests(json: str) -> dict:
    """The special tokens around a text, and a digest of the tokens of each text."""
    tokenizer = Tokenizer.from_str(json)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return {
        "special_tokens": tokenizer.encode("").ids,
        "texts": [fnv1a(tokens(tokenizer, text).encode()) for text in texts()],
    }
