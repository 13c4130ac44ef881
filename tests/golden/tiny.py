"""Tiny random checkpoints of the BERT family, each with its golden values."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertTokenizer,
    DistilBertConfig,
    DistilBertTokenizer,
    RobertaConfig,
    RobertaTokenizer,
    XLMRobertaConfig,
    XLMRobertaTokenizer,
)

# Of different lengths, so that the batch is padded; the second is one word, the
# third has characters of two, three and four bytes.
TEXTS = [
    "The rain began.",
    "Hello",
    "Café in Łódź: 5 € 👍🏽 ok?",
    "Anna met Jan at the river.",
    "a  b\tC\n(d) ",
]
LABELS = {
    "sentiment": ["negative", "neutral", "positive"],
    "spam": ["ham", "spam"],
    "topics": ["travel", "food", "work", "sport"],
    "entities": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
}
POSITIONS = 40
VOCABULARY = {"bert": 160, "distilbert": 160, "roberta": 270, "xlmr": 150}


@dataclass(frozen=True)
class Checkpoint:
    """One folder `tiny-<family>-<head>`; the fields are what it is there to cover."""

    family: str
    head: str
    labels: str
    activation: str = "gelu"
    dtype: torch.dtype = torch.float32
    problem_type: str | None = None
    shard_size: str = "1GB"
    hidden: int = 16
    intermediate: int = 32

    @property
    def name(self) -> str:
        return f"tiny-{self.family}-{self.head}"


# Half-precision folders have room for a wider model.
CHECKPOINTS = [
    Checkpoint("bert", "seq", "sentiment"),
    Checkpoint("bert", "token", "entities", activation="gelu_new", dtype=torch.float16, hidden=32, intermediate=40),
    Checkpoint("distilbert", "seq", "spam", dtype=torch.bfloat16, hidden=32, intermediate=40),
    Checkpoint("distilbert", "token", "entities", activation="relu"),
    Checkpoint("roberta", "seq", "topics", problem_type="multi_label_classification"),
    Checkpoint("roberta", "token", "entities"),
    Checkpoint("xlmr", "seq", "sentiment", shard_size="24KB"),
    Checkpoint("xlmr", "token", "entities"),
]


def write_json(path: Path, value: dict) -> None:
    """ASCII, one key a line and one case a line: small, and a diff shows what changed."""

    def compact(item) -> str:
        return json.dumps(item, separators=(",", ":"))

    def line(item) -> str:
        if isinstance(item, list) and item and isinstance(item[0], (dict, list, str)):
            return "[\n" + ",\n".join(compact(entry) for entry in item) + "\n]"
        return compact(item)

    body = ",\n".join(f"{compact(key)}: {line(item)}" for key, item in value.items())
    path.write_text("{\n" + body + "\n}\n", encoding="ascii")


def byte_offsets(text: str, offsets: list[tuple[int, int]]) -> list[list[int]]:
    """From characters, which Python counts, to bytes of the text in UTF-8."""
    starts = [0]
    for character in text:
        starts.append(starts[-1] + len(character.encode("utf-8")))
    return [[starts[start], starts[end]] for start, end in offsets]


def rounded(tensor: torch.Tensor):
    """Nested lists with seven significant digits, about what fp32 holds."""
    if tensor.dim() == 0:
        return float(f"{tensor.item():.7g}")
    return [rounded(row) for row in tensor]


def make_tokenizer(family: str, texts: list[str]):
    """A small tokenizer of the family's kind, trained on our own sentences."""
    size = VOCABULARY[family]
    if family in ("bert", "distilbert"):
        trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        trained.normalizer = normalizers.BertNormalizer(lowercase=True)
        trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        trainer = trainers.WordPieceTrainer(
            vocab_size=size, limit_alphabet=60, special_tokens=special, show_progress=False
        )
        trained.train_from_iterator(texts, trainer)
        # The trainer finds the same pieces every time but not in the same order.
        pieces = sorted(trained.get_vocab(), key=lambda piece: (piece not in special, piece))
        pieces[: len(special)] = special
        of_family = BertTokenizer if family == "bert" else DistilBertTokenizer
        vocabulary = {piece: index for index, piece in enumerate(pieces)}
        return of_family(vocab=vocabulary, model_max_length=POSITIONS)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    if family == "roberta":
        trained = Tokenizer(models.BPE())
        trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=[*special, "<mask>"],
            show_progress=False,
        )
        trained.train_from_iterator(texts, trainer)
        merges = [tuple(pair) for pair in json.loads(trained.to_str())["model"]["merges"]]
        return RobertaTokenizer(vocab=trained.get_vocab(), merges=merges, model_max_length=POSITIONS)
    trained = Tokenizer(models.Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size - 1, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    # Latin letters only: every character of the texts becomes a piece of its own.
    trained.train_from_iterator((text for text in texts if text.isascii()), trainer)
    vocabulary = [(piece, round(score, 2)) for piece, score in json.loads(trained.to_str())["model"]["vocab"]]
    # Here too; rounded, because a rare character's score depends on that order.
    vocabulary[len(special) :] = sorted(vocabulary[len(special) :], key=lambda piece: (-piece[1], piece[0]))
    # As in the published XLM-R files, the mask comes last.
    return XLMRobertaTokenizer(vocab=[*vocabulary, ("<mask>", 0.0)], model_max_length=POSITIONS)


def make_config(checkpoint: Checkpoint, vocab_size: int):
    labels = LABELS[checkpoint.labels]
    common = {
        "vocab_size": vocab_size,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
        "problem_type": checkpoint.problem_type,
    }
    if checkpoint.family == "distilbert":
        return DistilBertConfig(
            dim=checkpoint.hidden,
            hidden_dim=checkpoint.intermediate,
            n_heads=4,
            n_layers=2,
            activation=checkpoint.activation,
            max_position_embeddings=POSITIONS,
            **common,
        )
    common |= {
        "hidden_size": checkpoint.hidden,
        "intermediate_size": checkpoint.intermediate,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "hidden_act": checkpoint.activation,
    }
    if checkpoint.family == "bert":
        return BertConfig(max_position_embeddings=POSITIONS, **common)
    # RoBERTa's positions begin after the padding index, at 2.
    of_family = RobertaConfig if checkpoint.family == "roberta" else XLMRobertaConfig
    return of_family(max_position_embeddings=POSITIONS + 2, type_vocab_size=1, layer_norm_eps=1e-5, **common)


def randomise(model: torch.nn.Module, seed: int) -> None:
    """No parameter is left at zero or one, so that each of them matters to the result."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            is_scale = name.lower().endswith(("layernorm.weight", "layer_norm.weight"))
            # Wider matrices than biases: the text has to matter more than they do.
            deviation = 0.3 if parameter.dim() == 2 else 0.2
            noise = deviation * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise + 1.0 if is_scale else noise)


def make_golden(checkpoint: Checkpoint, folder: Path) -> None:
    """The values come from the files as saved, so from the weights as rounded."""
    heads = {"seq": AutoModelForSequenceClassification, "token": AutoModelForTokenClassification}
    model = heads[checkpoint.head].from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encodings = [tokenizer.encode(text) for text in TEXTS]
    batch = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    ids, mask = batch["input_ids"], batch["attention_mask"]
    assert [encoding.ids for encoding in encodings] == [row[m == 1].tolist() for row, m in zip(ids, mask)]

    def run(model, ids, mask):
        with torch.no_grad():
            hidden = model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
            return hidden, model(input_ids=ids, attention_mask=mask).logits

    hidden, logits = run(model, ids, mask)
    lengths = mask.sum(dim=1).tolist()
    alone, _ = run(model, ids[:1, : lengths[0]], mask[:1, : lengths[0]])
    assert (alone[0] - hidden[0, : lengths[0]]).abs().max() < 1e-5, "padding changes the result"
    _, exact = run(model.double(), ids, mask)
    assert (exact - logits).abs().max() < 1e-5, "fp32 is too coarse for a golden value"
    if checkpoint.head == "token":
        logits = [row[:length] for row, length in zip(logits, lengths)]
    write_json(
        folder / "golden.json",
        {
            "texts": TEXTS,
            "input_ids": ids.tolist(),
            "attention_mask": mask.tolist(),
            "offsets": [byte_offsets(text, e.offsets) for text, e in zip(TEXTS, encodings)],
            "last_hidden_state_shape": [lengths[0], checkpoint.hidden],
            "last_hidden_state": rounded(hidden[0, : lengths[0]].flatten()),
            "logits": [rounded(row) for row in logits],
        },
    )


def make_router(folder: Path) -> None:
    """A router on the encoder of `tiny-bert-seq`, whose head is of numbers that a test can write down."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    weight = [*(0.05 * (1 - 2 * (i % 2)) * (i + 1) for i in range(16)), 0.2]
    save_file({"head.weight": torch.tensor([weight]), "head.bias": torch.tensor([-0.5])}, folder / "head.safetensors")
    config = {
        "base_model": "tiny-bert-seq",
        "id2label": {"0": "gain"},
        "max_length": POSITIONS,
        "model_type": "linear-head",
        "problem_type": "regression",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="ascii")
    for file in folder.iterdir():
        file.chmod(0o644)


def make_all(root: Path) -> None:
    sentences = json.loads((root / "sentences.json").read_text(encoding="utf-8"))
    # Without other scripts, whose characters would fill the small vocabularies.
    latin = [text for text in sentences if all(ord(character) < 0x250 for character in text)]
    heads = {"seq": AutoModelForSequenceClassification, "token": AutoModelForTokenClassification}
    for seed, checkpoint in enumerate(CHECKPOINTS):
        folder = root / checkpoint.name
        shutil.rmtree(folder, ignore_errors=True)
        tokenizer = make_tokenizer(checkpoint.family, latin)
        model = heads[checkpoint.head].from_config(make_config(checkpoint, len(tokenizer)))
        randomise(model, seed)
        model.to(checkpoint.dtype).save_pretrained(folder, max_shard_size=checkpoint.shard_size)
        tokenizer.save_pretrained(folder)
        make_golden(checkpoint, folder)
        for file in folder.iterdir():
            file.chmod(0o644)
    make_router(root / "tiny-router")
