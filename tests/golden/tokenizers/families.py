"""Small tokenizers of the families that people use, each trained on the texts by the reference's own trainers.

What transformers puts around the vocabulary of a family comes from its class. The last ones are put together here: stages
and options that a family's class does not have, and those that public reports name.
"""

import base64
import tempfile
from pathlib import Path

import sentencepiece
import transformers
from tokenizers import (
    AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers,
)

from texts import texts

CORPUS = texts()
# The trainer of Unigram needs more pieces than there are characters.
EUROPEAN = [text for text in CORPUS if all(ord(character) < 0x250 for character in text)]
META = "\u2581"

# Replacements as SentencePiece's nmt_nfkc has them, but few. From and to, as code points.
RULES = [
    ("\t", " "), ("\n", " "), ("\r", " "), ("\u00a0", " "), ("\u2009", " "), ("\u3000", " "), ("\u200b", " "),
    ("\ufb01", "fi"), ("\ufb02", "fl"), ("\ufb03", "ffi"), ("\u00b2", "2"), ("\u00bd", "1\u20442"), ("\u2026", "..."),
    ("\u2460", "1"), ("\u2122", "TM"), ("\uff76\uff9e", "\u30ac"), ("\uff76", "\u30ab"), ("\uff7d", "\u30b9"),
    ("\uff21", "A"), ("\uff22", "B"), ("\uff11", "1"), ("e\u0301", "\u00e9"), ("a\u0308", "\u00e4"), ("\u00ad", ""),
    ("\u0995\u09c7\u09be", "\u0995\u09cb"), ("\u212b", "\u00c5"), ("\ufeff", ""), ("\u2163", "IV"), ("\u2167", "VIII"),
]


def charsmap() -> bytes:
    """A precompiled table of the rules."""
    with tempfile.TemporaryDirectory() as folder:
        rules, corpus = Path(folder, "rules.tsv"), Path(folder, "corpus.txt")
        code = lambda text: " ".join(f"{ord(character):X}" for character in text)  # noqa: E731
        rules.write_text("".join(f"{code(old)}\t{code(new)}\n" for old, new in RULES))
        corpus.write_text("\n".join(text.replace("\n", " ").replace("\0", " ") for text in CORPUS))
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus), model_prefix=str(Path(folder, "m")), vocab_size=2000, model_type="char", normalization_rule_tsv=str(rules),
            hard_vocab_limit=False, minloglevel=2,
        )
        from sentencepiece import sentencepiece_model_pb2 as pb

        model = pb.ModelProto()
        model.ParseFromString(Path(folder, "m.model").read_bytes())
        return model.normalizer_spec.precompiled_charsmap


CHARSMAP = charsmap()


def trained(model, trainer, pre_tokenizer, normalizer=None, corpus=CORPUS) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def unigram(special: list[str]) -> list[tuple[str, float]]:
    trainer = trainers.UnigramTrainer(vocab_size=700, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False)
    tokenizer = trained(models.Unigram(), trainer, pre_tokenizers.Metaspace(), corpus=EUROPEAN)
    import json

    # Of few digits: of many, two readers of JSON may differ in the last bit, and equal paths are then decided by that.
    pieces = [(token, round(score, 4)) for token, score in json.loads(tokenizer.to_str())["model"]["vocab"]]
    return [(token, 0.0) for token in special] + [piece for piece in pieces if piece[0] not in special]


def bpe(pre_tokenizer, alphabet=(), size=600, **options) -> tuple[dict, list]:
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=list(alphabet), show_progress=False, **options)
    tokenizer = trained(models.BPE(**{k: v for k, v in options.items() if k.endswith("fix") and "word" in k}), trainer, pre_tokenizer)
    import json

    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


BYTE_LEVEL = bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), pre_tokenizers.ByteLevel.alphabet())


def byte_level(special: list[str]) -> dict:
    """The keyword arguments of a class with a byte-level vocabulary that has these special tokens first."""
    vocabulary, merges = BYTE_LEVEL
    names = special + [token for token in sorted(vocabulary, key=vocabulary.get) if token not in special]
    return {"vocab": {token: index for index, token in enumerate(names)}, "merges": merges}


def characters_bpe() -> tuple[dict, list]:
    return bpe(pre_tokenizers.Metaspace(), size=700, limit_alphabet=300)


def bytes_bpe(special: list[str]) -> dict:
    """As Llama's: characters, and the tokens of all bytes."""
    vocabulary, merges = characters_bpe()
    names = special + [f"<0x{byte:02X}>" for byte in range(256)]
    names += [token for token in sorted(vocabulary, key=vocabulary.get) if token not in names]
    return {"vocab": {token: index for index, token in enumerate(names)}, "merges": merges}


def wordpiece(special: list[str], lowercase: bool) -> dict:
    trainer = trainers.WordPieceTrainer(vocab_size=700, special_tokens=special, show_progress=False, limit_alphabet=250)
    tokenizer = trained(
        models.WordPiece(unk_token=special[0]), trainer, pre_tokenizers.BertPreTokenizer(),
        normalizers.BertNormalizer(lowercase=lowercase),
    )
    return {"vocab": tokenizer.get_vocab()}


def family(name: str, vocabulary: dict, **options):
    """The tokenizer that a class of transformers makes of a vocabulary."""
    def build() -> str:
        return getattr(transformers, name)(**vocabulary, **options)._tokenizer.to_str()
    return build


def pieces(special: list[str]) -> dict:
    return {"vocab": unigram(special)}


BERT = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
ROBERTA_PIECES = pieces(ROBERTA)
T5 = pieces(["<pad>", "</s>", "<unk>"])
PRECOMPILED = {"_spm_precompiled_charsmap": CHARSMAP}


def composed(model, normalizer=None, pre_tokenizer=None, post_processor=None, added=(), decoder=None):
    """A tokenizer of these stages."""
    def build() -> str:
        tokenizer = Tokenizer(model)
        if normalizer:
            tokenizer.normalizer = normalizer
        if pre_tokenizer:
            tokenizer.pre_tokenizer = pre_tokenizer
        if post_processor:
            tokenizer.post_processor = post_processor
        if decoder:
            tokenizer.decoder = decoder
        tokenizer.add_tokens([token if isinstance(token, AddedToken) else AddedToken(token) for token in added])
        return tokenizer.to_str()
    return build


def split(*patterns, behavior="isolated", invert=False):
    """As GPT-4 and later ones: split by patterns, then bytes."""
    stages = [pre_tokenizers.Split(Regex(pattern), behavior, invert) for pattern in patterns]
    return pre_tokenizers.Sequence([*stages, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def byte_bpe(**options):
    vocabulary, merges = BYTE_LEVEL
    return models.BPE(vocab=vocabulary, merges=merges, **options)


def word_level(pre_tokenizer, normalizer=None, size=900):
    trainer = trainers.WordLevelTrainer(vocab_size=size, special_tokens=["[UNK]"], show_progress=False)
    vocabulary = trained(models.WordLevel(unk_token="[UNK]"), trainer, pre_tokenizer, normalizer).get_vocab()
    return models.WordLevel(vocab=vocabulary, unk_token="[UNK]")


def words(normalizer=None, pre_tokenizer=None, **options):
    pre_tokenizer = pre_tokenizer or pre_tokenizers.Whitespace()
    return composed(word_level(pre_tokenizer, normalizer), normalizer, pre_tokenizer, **options)


CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
CL100K_POSSESSIVE = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
    r"|\s+(?!\S)|\s"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
KIMI = (
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = [AddedToken("<s>", special=True, normalized=False), AddedToken("</s>", special=True, normalized=False)]
MASK = AddedToken("<mask>", lstrip=True, special=True, normalized=False)

FAMILIES = {
    # Families of transformers.
    "bert-uncased": family("BertTokenizer", wordpiece(BERT, True)),
    "bert-cased": family("BertTokenizer", wordpiece(BERT, False), do_lower_case=False),
    "bert-cased-no-ideographs": family(
        "BertTokenizer", wordpiece(BERT, False), do_lower_case=False, strip_accents=True, tokenize_chinese_chars=False
    ),
    "mpnet": family("MPNetTokenizer", wordpiece(["[UNK]", "<s>", "<pad>", "</s>", "<unk>", "<mask>"], True)),
    "funnel": family("FunnelTokenizer", wordpiece(["<unk>", "<sep>", "<pad>", "<cls>", "<mask>", "<s>", "</s>"], True), unk_token="<unk>"),
    "roberta": family("RobertaTokenizer", byte_level(ROBERTA)),
    "roberta-prefix-space": family("RobertaTokenizer", byte_level(ROBERTA), add_prefix_space=True),
    "deberta": family("DebertaTokenizer", byte_level(BERT)),
    "gpt2": family("GPT2Tokenizer", byte_level(["<|endoftext|>"])),
    "gpt-neox": family("GPTNeoXTokenizer", byte_level(["<|endoftext|>"]), add_prefix_space=True),
    "qwen2": family("Qwen2Tokenizer", byte_level(["<|endoftext|>"])),
    "cohere": family("CohereTokenizer", byte_level(["<UNK>", "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", "<PAD>"])),
    "whisper": family("WhisperTokenizer", byte_level(["<|endoftext|>"])),
    "clip": family("CLIPTokenizer", byte_level(["<|startoftext|>", "<|endoftext|>"])),
    "xlm-roberta": family("XLMRobertaTokenizer", ROBERTA_PIECES),
    "camembert": family("CamembertTokenizer", ROBERTA_PIECES, **PRECOMPILED),
    "barthez": family("BarthezTokenizer", ROBERTA_PIECES),
    "mbart": family("MBartTokenizer", ROBERTA_PIECES),
    "xglm": family("XGLMTokenizer", ROBERTA_PIECES),
    "albert": family("AlbertTokenizer", pieces(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"])),
    "deberta-v3": family("DebertaV2Tokenizer", pieces(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"])),
    "deberta-v2-punctuation": family(
        "DebertaV2Tokenizer", pieces(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]), do_lower_case=True, split_by_punct=True
    ),
    "t5": family("T5Tokenizer", T5, extra_ids=4, **PRECOMPILED),
    "pegasus": family("PegasusTokenizer", T5, **PRECOMPILED),
    "xlnet": family("XLNetTokenizer", pieces(["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>"])),
    "big-bird": family("BigBirdTokenizer", pieces(["<pad>", "</s>", "<s>", "<unk>", "[SEP]", "[CLS]", "[MASK]"])),
    "rembert": family("RemBertTokenizer", pieces(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"])),
    "llama": family("LlamaTokenizer", bytes_bpe(["<unk>", "<s>", "</s>"])),
    "code-llama": family("CodeLlamaTokenizer", bytes_bpe(["<unk>", "<s>", "</s>"])),
    "gemma": family("GemmaTokenizer", bytes_bpe(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])),
    "openai-gpt": family("OpenAIGPTTokenizer", dict(zip(
        ("vocab", "merges"), bpe(pre_tokenizers.BertPreTokenizer(), end_of_word_suffix="</w>", special_tokens=["<unk>"])
    ))),
    # Patterns.
    "split-cl100k": composed(byte_bpe(), None, split(CL100K)),
    "split-cl100k-possessive": composed(byte_bpe(ignore_merges=True), None, split(CL100K_POSSESSIVE)),
    "split-o200k": composed(byte_bpe(ignore_merges=True), None, split(O200K)),
    "split-kimi": composed(byte_bpe(), None, split(KIMI)),
    "split-clip": composed(byte_bpe(), None, split(CLIP, behavior="removed", invert=True)),
    "split-bloom": composed(byte_bpe(), None, split(BLOOM)),
    "split-deepseek": composed(byte_bpe(), None, split(r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK)),
    "split-lookahead": words(None, pre_tokenizers.Split(Regex(r"\d(?=x)|[A-Z][a-z]+"), "isolated")),
    "split-merged": words(None, pre_tokenizers.Sequence([
        pre_tokenizers.Split(" ", "merged_with_previous"), pre_tokenizers.Split(Regex("[aeiou]+"), "merged_with_next"),
        pre_tokenizers.Split("t", "contiguous"),
    ])),
    "falcon": composed(byte_bpe(), None, pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
        pre_tokenizers.Digits(), pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated"),
    ])),
    "starcoder": composed(byte_bpe(), None, pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False),
    ]), processors.ByteLevel(trim_offsets=True)),
    # Stages by themselves.
    "words-strip-lowercase": words(normalizers.Sequence([normalizers.Strip(), normalizers.Lowercase()])),
    "words-nfc": words(normalizers.NFC()),
    "words-nfd-strip-accents": words(normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])),
    "words-nfkc": words(normalizers.NFKC()),
    "words-nfkd": words(normalizers.NFKD(), pre_tokenizers.WhitespaceSplit()),
    "words-nmt": words(normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])),
    "words-replace": words(normalizers.Sequence([
        normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Replace("ss", "\u00df"), normalizers.Replace("a", ""), normalizers.Prepend("^"),
    ])),
    "words-precompiled": words(normalizers.Sequence([
        normalizers.Precompiled(CHARSMAP), normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), META),
    ])),
    "words-delimiter": words(None, pre_tokenizers.CharDelimiterSplit("e")),
    "words-fixed-length": words(None, pre_tokenizers.FixedLength(4)),
    "words-scripts": words(None, pre_tokenizers.UnicodeScripts()),
    "words-punctuation": words(None, pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_previous"),
    ])),
    "words-metaspace-first": words(None, pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace(prepend_scheme="first"),
    ]), added=SPECIAL),
    "words-metaspace-never": words(None, pre_tokenizers.Metaspace("_", prepend_scheme="never", split=False)),
    "bytes-normalizer": composed(byte_bpe(), normalizers.Sequence([normalizers.NFC(), normalizers.ByteLevel()]),
        pre_tokenizers.Split(Regex("\u0120+"), "merged_with_next")),
    # Models.
    "wordpiece-prefix": composed(
        models.WordPiece(vocab={t: i for i, t in enumerate(["[UNK]", "un", "@@break", "@@able", "@@r", "a", "@@a", "hello", "the"])},
                         unk_token="[UNK]", continuing_subword_prefix="@@", max_input_chars_per_word=20),
        normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()),
    "bpe-no-merges-unknown": composed(
        models.BPE(vocab={t: i for i, t in enumerate(["<unk>", *"abcdefghij klmnop", META])}, merges=[], unk_token="<unk>")),
    "bpe-fused-unknown": composed(
        models.BPE(vocab={t: i for i, t in enumerate(["<unk>", *"abcdefghij klmnop"])}, merges=[], unk_token="<unk>", fuse_unk=True)),
    "bpe-some-bytes": composed(
        models.BPE(vocab={t: i for i, t in enumerate(["<unk>", "<0xC3>", "<0xA9>", "<0xE4>", "<0xB8>", "<0xAD>", *"abcdefgh "])},
                   merges=[], unk_token="<unk>", byte_fallback=True)),
    "bpe-continuing": composed(
        models.BPE(vocab={t: i for i, t in enumerate(["u", "n", "##n", "##b", "un", "##r", "##e", "##re", "unb", "##a", "a", "<unk>"])},
                   merges=[("u", "##n"), ("##r", "##e"), ("un", "##b")], unk_token="<unk>", continuing_subword_prefix="##"),
        None, pre_tokenizers.Whitespace()),
    "unigram-bytes": composed(
        models.Unigram([("<unk>", 0.0), *((f"<0x{byte:02X}>", -9.0) for byte in range(256)), *unigram([])[1:]], 0, True),
        normalizers.NFKC(), pre_tokenizers.Metaspace()),
    "unigram-whole": composed(models.Unigram(unigram(["<unk>"]), 0, False), normalizers.Replace(" ", META)),
    # Added tokens and post-processors.
    "added-flags": words(normalizers.Lowercase(), None, added=[
        AddedToken("HELLO", normalized=True), AddedToken("Tokyo", normalized=False, single_word=True),
        AddedToken("the", normalized=True, single_word=True), AddedToken("<mask>", lstrip=True, rstrip=True, special=True),
        AddedToken("and", lstrip=True), AddedToken("in", rstrip=True), AddedToken("<", normalized=False), AddedToken("<s>"),
        AddedToken("\u00e9", normalized=False), AddedToken("  ", normalized=False),
    ]),
    "added-prefix-space": composed(byte_bpe(), None, pre_tokenizers.ByteLevel(add_prefix_space=True),
        processors.Sequence([
            processors.ByteLevel(trim_offsets=True, add_prefix_space=True),
            processors.TemplateProcessing(single="<s> $A </s> </s>", special_tokens=[("<s>", 7), ("</s>", 8)]),
        ]), added=[*SPECIAL, MASK]),
    "roberta-processing": composed(byte_bpe(), normalizers.NFKC(), pre_tokenizers.ByteLevel(add_prefix_space=False),
        processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False), added=[*SPECIAL, MASK]),
    "bert-processing": words(None, None, post_processor=processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))),
}
