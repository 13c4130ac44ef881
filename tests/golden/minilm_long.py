"""Regenerates `minilm_long.json`: embeddings of texts of 300 to 600 tokens, as sentence-transformers has them.

    python minilm_long.py ~/.cache/pilot-light/models/all-MiniLM-L6-v2

What `SentenceTransformer.encode` does is written out here, in numpy and 64 bits, with the folder's own files: texts are cut
to `max_seq_length` tokens of `sentence_bert_config.json`, the encoder is BERT's (Devlin et al. 2019, 1810.04805), vectors are
averaged and scaled to length 1. Tokens come from Hugging Face's tokenizers, at the version in requirements.txt.
"""

import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
HEADS, LAYERS = 12, 6
erf = np.vectorize(math.erf)


def tensors(path: Path) -> dict:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    read = {}
    for name, entry in header.items():
        if entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            numbers = np.frombuffer(data[8 + size + start : 8 + size + end], np.float32)
            read[name] = numbers.reshape(entry["shape"]).astype(np.float64)
    return read


def hidden_states(weights: dict, ids: list[int]) -> np.ndarray:
    """The last hidden state of each token, `[tokens, hidden]`."""
    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    words, places, types = (weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type"))
    x = norm("embeddings.LayerNorm", words[ids] + places[: len(ids)] + types[0])
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        q, k, v = (
            linear(f"{name}.attention.self.{part}", x).reshape(len(ids), HEADS, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True)) @ v
        mixed = mixed.swapaxes(0, 1).reshape(len(ids), -1)
        x = norm(f"{name}.attention.output.LayerNorm", x + linear(f"{name}.attention.output.dense", mixed))
        inner = linear(f"{name}.intermediate.dense", x)
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = norm(f"{name}.output.LayerNorm", x + linear(f"{name}.output.dense", inner))
    return x


def encode(weights: dict, ids: list[int]) -> np.ndarray:
    mean = hidden_states(weights, ids).mean(0)
    return mean / np.linalg.norm(mean)


def main() -> None:
    folder = Path(sys.argv[1])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    sentences = json.loads((HERE / "sentences.json").read_text(encoding="utf-8"))
    weights = tensors(folder / "model.safetensors")
    cases = []
    for start in range(0, 120, 20):
        text = ""
        for sentence in sentences[start:] + sentences:
            text = f"{text} {sentence}".strip()
            tokens = len(tokenizer.encode(text).ids)
            if tokens >= 300 + start * 2:
                break
        assert 300 <= tokens <= 600, tokens
        tokenizer.enable_truncation(limit)
        ids = tokenizer.encode(text).ids
        tokenizer.no_truncation()
        assert len(ids) == limit
        cases.append({"text": text, "tokens": tokens, "embedding": [round(x, 7) for x in encode(weights, ids).tolist()]})
    (HERE / "minilm_long.json").write_text(json.dumps(cases, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
