"""Small tokenizers and texts from public reports, and what is like them."""


def words(*tokens: str, **stages) -> dict:
    """A tokenizer of whole words."""
    vocabulary = {token: index for index, token in enumerate(["[UNK]", *tokens])}
    return {"version": "1.0", "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}, **stages}


def sequence(*normalizers: dict) -> dict:
    return {"type": "Sequence", "normalizers": list(normalizers)}


def regex(pattern: str) -> dict:
    return {"Regex": pattern}


def wordpiece(prefix: str, *tokens: str, **stages) -> dict:
    vocabulary = {token: index for index, token in enumerate(["[UNK]", *tokens])}
    model = {
        "type": "WordPiece", "vocab": vocabulary, "unk_token": "[UNK]", "continuing_subword_prefix": prefix,
        "max_input_chars_per_word": 100,
    }
    return {"version": "1.0", "model": model, **stages}


def unigram(*tokens: str, **stages) -> dict:
    vocabulary = [["<unk>", 0.0], *([token, -1.0 - index / 8] for index, token in enumerate(tokens))]
    return {"version": "1.0", "model": {"type": "Unigram", "unk_id": 0, "vocab": vocabulary}, **stages}


def bpe(*tokens: str, merges=(), **options) -> dict:
    vocabulary = {token: index for index, token in enumerate(tokens)}
    stages = {name: options.pop(name) for name in ("normalizer", "pre_tokenizer", "post_processor") if name in options}
    return {"version": "1.0", "model": {"type": "BPE", "vocab": vocabulary, "merges": list(merges), **options}, **stages}


WHITESPACE = {"type": "Whitespace"}
SPLIT_BY_WHITESPACE = {"type": "WhitespaceSplit"}
METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
SPACES = sequence(
    {"type": "Strip", "strip_left": False, "strip_right": True},
    {"type": "Replace", "pattern": regex(" {2,}"), "content": "\u2581"},
)
ROME = unigram("\u2581Ann", "\u2581lives", "\u2581in", "\u2581Rome", "\u2581", normalizer=SPACES, pre_tokenizer=METASPACE)
LONDON = ["\u0120", "L", "o", "n", "d", "c", "a", "l", "i", "g", "\u0120L", "on", "\u0120Lon", "\u0120c"]
LONDON_MERGES = ["\u0120 L", "o n", "\u0120L on", "\u0120 c"]
HELLO = words("hello", "tokyo", "Tokyo", "now", "Dhaka", "is", "big", "\u0995\u09cb", "\u30ac\u30b9", "\"", "caf\u00e9", "fi", "ne")
# Joiners, marks, digits and fractions of Latin-1 and others, connectors, letters beyond ASCII.
WORDS = ["a\u200db \u0915\u094d\u200c\u0937 a\u00b2!\u00bd-a", "x\u0301_y\u203fz a]a [a] 12\u0663a\u2460", "\u00c5ngstr\u00f6m\u2014z, \u4e2d\u6587!"]
TEMPLATE = {
    "type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {},
}


def london(post_processor: dict, prefix: bool = True) -> dict:
    pre_tokenizer = {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": True}
    return bpe(*LONDON, merges=LONDON_MERGES, pre_tokenizer=pre_tokenizer, post_processor=post_processor)


def byte_level(trim: bool, prefix: bool) -> dict:
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": True}


def split(pattern: str, behavior: str = "Isolated", invert: bool = False) -> dict:
    return {"type": "Split", "pattern": regex(pattern), "behavior": behavior, "invert": invert}


NAMES = ["Ann", ",", "in", "Rome", ".", "\u2581Ann", "\u2581in", "\u2581Rome", "\u2581", "\u2581,", "\u2581."]


def names(*stages: dict) -> dict:
    return words(*NAMES, pre_tokenizer={"type": "Sequence", "pretokenizers": list(stages)})


# Name, tokenizer, texts.
CASES = [
    ("Replace by a regular expression", ROME, ["Ann  lives in   Rome ", "Ann lives", "  Ann", "   ", "Ann  \u00e9  in"]),
    ("ByteLevel with a space before the text", london(byte_level(True, True)), ["London calling", " London", "  London c", ""]),
    ("trim_offsets in a sequence", london({"type": "Sequence", "processors": [byte_level(True, True), TEMPLATE]}),
     ["London calling", "c London  "]),
    ("trim_offsets is false", london({"type": "Sequence", "processors": [byte_level(False, True)]}), ["London calling"]),
    ("trim_offsets without a space before", london(byte_level(True, False), False), ["London calling", " London"]),
    ("Metaspace behind Punctuation", names({"type": "Punctuation", "behavior": "Isolated"}, METASPACE), ["Ann, in Rome.", "Ann.in"]),
    ("Metaspace behind Whitespace", names(WHITESPACE, METASPACE), ["Ann, in Rome."]),
    ("Metaspace alone in a sequence", names(METASPACE), ["Ann, in Rome.", "Ann  in"]),
    ("Split by a pattern", words("1", "2", "Ab", "x", "12", pre_tokenizer=split(r"\d(?=x)|[A-Z][a-z]+")), ["12xAb", "2x", "xAb1"]),
    ("Split, inverted", words("ab", "1", pre_tokenizer=split(r"[a-z]+", "Removed", True)), ["ab1ab", "1ab"]),
    ("Split, contiguous", words("--", "a", pre_tokenizer=split("-", "Contiguous")), ["a--a", "--"]),
    ("Split by possessive quantifiers", words("aa", "1", pre_tokenizer=split(r"a++b?+|\p{N}")), ["aab1aa"]),
    ("Split without regard to case", words("It", "'S", "'re", pre_tokenizer=split("(?i:'s|'re)")), ["It'S It're"]),
    *(("Split by " + pattern, words("a", "\u00b2", "!", pre_tokenizer=split(pattern)), WORDS) for pattern in (
        r"\w+", r"[\w]+", r"\W+", r"[^\W]+", r"[\W]", r"\b", r"\B", r"[[:word:]]+", r"[[:^word:]]+", r"[[:alpha:]-]+", r"[[:punct:]]+",
        r"[[:alnum:]_]+", r"[]a]+", r"[^]a]+", r"[^[:space:]]+", r"[\w&&[^a-y]]+", r"[a\]\w]+", r"\d{1,2}+", r"[[:upper:]]{0,1}+\w",
    )),
    ("Strip and Lowercase", {**HELLO, "normalizer": sequence({"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Lowercase"}), "pre_tokenizer": WHITESPACE},
     ["hello Tokyo now", "  hello  Tokyo ", "HELLO"]),
    ("NFC", {**HELLO, "normalizer": {"type": "NFC"}, "pre_tokenizer": WHITESPACE}, ["\u0995\u09c7\u09be Dhaka", "cafe\u0301 now", "now"]),
    ("NFKC", {**HELLO, "normalizer": {"type": "NFKC"}, "pre_tokenizer": WHITESPACE}, ["\uff76\uff9e\uff7d Tokyo", "\ufb01 ne", "\uff4e\uff4f\uff57 now"]),
    ("NFKD", {**HELLO, "normalizer": {"type": "NFKD"}, "pre_tokenizer": SPLIT_BY_WHITESPACE}, ["caf\u00e9 now", "\ufb01 ne"]),
    ("Replace by a string", {**HELLO, "normalizer": sequence(
        {"type": "Replace", "pattern": {"String": "``"}, "content": "\""}, {"type": "Replace", "pattern": {"String": "''"}, "content": "\""},
    ), "pre_tokenizer": WHITESPACE}, ["``Tokyo'' is", "''", "is ``"]),
    ("StripAccents", {**HELLO, "normalizer": sequence({"type": "NFD"}, {"type": "StripAccents"}), "pre_tokenizer": WHITESPACE},
     ["h\u00e9llo now", "n\u0303ow now"]),
    ("Prepend", {**HELLO, "normalizer": {"type": "Prepend", "prepend": "\u2581"}, "pre_tokenizer": WHITESPACE}, ["hello now"]),
    ("BertNormalizer", {**HELLO, "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}, "pre_tokenizer": {"type": "BertPreTokenizer"}},
     ["H\u00c9LLO \u4e2d Tokyo", "he\u200bllo\tnow"]),
    ("another prefix of WordPiece", wordpiece("@@", "un", "@@break", "@@able", pre_tokenizer=WHITESPACE), ["unbreakable", "unbreak able"]),
    ("no prefix of WordPiece", wordpiece("", "un", "break", "able", pre_tokenizer=WHITESPACE), ["unbreakable", "breakun x"]),
    ("an accented prefix of WordPiece", wordpiece("\u00e9", "un", "\u00e9break", pre_tokenizer=WHITESPACE), ["unbreak"]),
    ("byte fallback", bpe("<unk>", "a", "<0xF0>", "<0x9F>", "<0x94>", "<0xA5>", byte_fallback=True, unk_token="<unk>"), ["a\U0001f525a", "\U0001f525\U0001f525", "\u00e9a"]),
    ("byte fallback without unknown", bpe("a", "<0xC3>", "<0xA9>", byte_fallback=True), ["a\u00e9a", "a\u4e2da"]),
    ("byte fallback of Unigram", {"version": "1.0", "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": [["<unk>", 0.0], ["a", -1.0], ["<0xC3>", -5.0], ["<0xA9>", -5.0]]}},
     ["a\u00e9a", "\u00e9\u00e9", "a\u4e2d"]),
    ("fused unknown characters", bpe("<unk>", "a", "b", unk_token="<unk>", fuse_unk=True), ["axyb", "xy", "ax"]),
    ("an end of a word", bpe("a", "b", "b</w>", "ab</w>", merges=["a b</w>"], end_of_word_suffix="</w>", pre_tokenizer=WHITESPACE), ["ab aab b"]),
    ("merges in lists", bpe("a", "b", " ", "a b", "ab", merges=[["a", "b"]]), ["ab ba"]),
    ("no type of model", {"version": "1.0", "model": {"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}, ["abab"]),
]
