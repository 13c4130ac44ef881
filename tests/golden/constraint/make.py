"""Makes texts under schemas and patterns, with the bytes that llguidance allows at each place. See README.md."""

import json
import random

from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

TEXTS = 3
LONGEST = 90
# What is likely in a text, so that texts are varied and end.
LIKELY = b'"}],:{[abcdeghilmnorstuxyzABCINTVZ0123456789-.@/_ truefalsn\xc3\xa9'


class Bytes:
    """A vocabulary of all bytes, and the end."""

    eos_token_id = 256
    bos_token_id = None
    tokens = [bytes([byte]) for byte in range(256)] + [b"<end>"]
    special_token_ids = [256]

    def __call__(self, text):
        return list(text if isinstance(text, bytes) else text.encode())


tokenizer = LLTokenizer(TokenizerWrapper(Bytes()), n_vocab=257)
compact = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}


def walk(grammar):
    """A random text, with what is allowed at each place."""
    matcher = LLMatcher(tokenizer, grammar)
    text, allowed, complete = b"", [], []
    while True:
        mask = int.from_bytes(matcher.compute_bitmask(), "little")
        allowed.append(f"{mask % (1 << 256):064x}")
        complete.append(bool(mask >> 256 & 1))
        options = [byte for byte in range(256) if mask >> byte & 1]
        if not options or len(text) >= LONGEST or complete[-1] and random.random() < 0.3:
            return {"text": text.hex(), "allowed": allowed, "complete": complete}
        likely = [byte for byte in options if byte in LIKELY]
        ends = [byte for byte in options if byte in b'"}]']
        byte = random.choice(ends if ends and random.random() < 0.2 else likely or options)
        assert matcher.consume_token(byte), matcher.get_error()
        text += bytes([byte])


random.seed(7)
cases = []
for number, schema in enumerate(json.load(open("schemas.json"))):
    schema = {} if schema is True else schema
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=compact)
    error = LLMatcher.validate_grammar(grammar, tokenizer)
    if error:
        print(f"schema {number} is not supported: {error}")
        continue
    cases += [{"schema": number} | walk(grammar) for _ in range(TEXTS)]
for number, pattern in enumerate(json.load(open("patterns.json"))):
    cases += [{"pattern": number} | walk(LLMatcher.grammar_from_regex(pattern)) for _ in range(TEXTS)]
with open("llguidance.json", "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(len(cases), "texts")
