"""Makes the layers and `golden.json`: embeddings as sentence-transformers makes them of the encoder in `../tiny-bert-seq`.

    python make.py

What `SentenceTransformer.encode` and the modules Pooling, Dense and Normalize do is written out in numpy and 64 bits from the
source of sentence-transformers 6.2.0 (`sentence_transformer/modules/pooling.py`, `base/modules/dense.py`,
`base/modules/normalize.py`, `_resolve_prompt` in `base/model.py`, `_get_prompt_length` in `base/modules/transformer.py`), as the
encoder is (minilm_long.py). Tokens come from Hugging Face's tokenizers. Versions are those of ../requirements.txt.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import minilm_long  # noqa: E402

ENCODER = HERE.parent / "tiny-bert-seq"
PROMPTS = {"query": "what is ", "document": "", "topic": "the subject of this: "}
TEXTS = ["The train leaves at seven.", "rain", "Smørrebrød, and a very long afternoon in the garden with friends."]
ACTIVATIONS = {
    "torch.nn.modules.activation.Tanh": np.tanh,
    "torch.nn.modules.activation.ReLU": lambda x: np.maximum(x, 0),
    "torch.nn.modules.activation.GELU": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "torch.nn.modules.activation.SiLU": lambda x: x / (1 + np.exp(-x)),
    "torch.nn.modules.activation.Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "torch.nn.modules.linear.Identity": lambda x: x,
}
# Folder: inputs, outputs, bias, activation, residual.
LAYERS = {
    "Dense_tanh": (16, 8, True, "torch.nn.modules.activation.Tanh", False),
    "Dense_gelu": (8, 8, True, "torch.nn.modules.activation.GELU", True),
    "Dense_relu": (8, 12, False, "torch.nn.modules.activation.ReLU", True),
    "Dense_identity": (16, 4, False, "torch.nn.modules.linear.Identity", False),
    "Dense_silu": (4, 4, True, "torch.nn.modules.activation.SiLU", False),
    "Dense_sigmoid": (4, 3, True, "torch.nn.modules.activation.Sigmoid", False),
}
# Pooling, whether prompts are pooled, modules behind it, the default prompt, and the options of the call.
CASES = [
    ("mean", True, ["Dense_tanh", "Normalize"], "query", {}),
    ("mean", True, ["Dense_tanh", "Normalize"], "query", {"prompt_name": "document"}),
    ("mean", True, ["Normalize"], None, {"prompt_name": "topic"}),
    ("mean_sqrt_len_tokens", True, ["Dense_tanh", "Dense_gelu", "Dense_relu"], None, {}),
    ("mean_sqrt_len_tokens", False, [], "topic", {}),
    ("cls", False, ["Normalize", "Dense_identity", "Dense_silu", "Dense_sigmoid"], None, {"prompt": "a few more words: "}),
    ("weightedmean", False, ["Dense_tanh"], "topic", {}),
    ("weightedmean", False, [], "topic", {"prompt": ""}),
    ("max", False, [], None, {"prompt_name": "query"}),
    ("lasttoken", False, ["Dense_tanh"], "query", {}),
]


def make_layers() -> dict:
    """Writes the folders of the layers, and gives their weights."""
    random = np.random.default_rng(16)
    layers = {}
    for name, (inputs, outputs, bias, activation, residual) in LAYERS.items():
        weights = {"linear.weight": random.normal(0, 0.5, (outputs, inputs))}
        if bias:
            weights["linear.bias"] = random.normal(0, 0.5, outputs)
        if residual and inputs != outputs:
            weights["residual.weight"] = random.normal(0, 0.5, (outputs, inputs))
        weights = {key: value.astype(np.float32) for key, value in weights.items()}
        config = {"in_features": inputs, "out_features": outputs, "bias": bias, "activation_function": activation}
        config |= {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}
        config |= {"use_residual": True} if residual else {}
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")
        save_file(weights, folder / "model.safetensors")
        layers[name] = {key: value.astype(np.float64) for key, value in weights.items()}
    return layers


def pooled(mode: str, states: np.ndarray, skipped: int) -> np.ndarray:
    rows = states[skipped:]
    if mode == "cls":
        return rows[0]
    if mode == "max":
        return rows.max(0)
    if mode == "lasttoken":
        return rows[-1]
    if mode == "weightedmean":
        weights = np.arange(1, len(states) + 1)[skipped:, None]
        return (rows * weights).sum(0) / weights.sum()
    return rows.sum(0) / (len(rows) if mode == "mean" else math.sqrt(len(rows)))


def dense(name: str, weights: dict, x: np.ndarray) -> np.ndarray:
    *_, activation, residual = LAYERS[name]
    y = ACTIVATIONS[activation](weights["linear.weight"] @ x + weights.get("linear.bias", 0))
    if residual:
        y = y + (weights["residual.weight"] @ x if "residual.weight" in weights else x)
    return y


def main() -> None:
    minilm_long.HEADS, minilm_long.LAYERS = 4, 2
    encoder = {name.removeprefix("bert."): tensor for name, tensor in minilm_long.tensors(ENCODER / "model.safetensors").items()}
    tokenizer = Tokenizer.from_file(str(ENCODER / "tokenizer.json"))
    tokenizer.no_padding()
    # As many as there are positions.
    tokenizer.enable_truncation(40)
    layers = make_layers()
    cases = []
    for mode, include_prompt, behind, default, options in CASES:
        prompt = options.get("prompt")
        if prompt is None:
            prompt = PROMPTS.get(options.get("prompt_name", default), "")
        # The special token behind a text does not belong to the prompt.
        skipped = len(tokenizer.encode(prompt).ids) - 1 if prompt and not include_prompt else 0
        embeddings = []
        for text in TEXTS:
            states = minilm_long.hidden_states(encoder, tokenizer.encode(prompt + text).ids)
            row = pooled(mode, states, skipped)
            for name in behind:
                row = row / max(np.linalg.norm(row), 1e-12) if name == "Normalize" else dense(name, layers[name], row)
            embeddings.append([float(f"{number:.7g}") for number in row])
        classes = [("", "Transformer"), ("1_Pooling", "Pooling")] + [(name, name.split("_")[0]) for name in behind]
        cases.append({
            "modules": [
                {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{name}"}
                for index, (path, name) in enumerate(classes)
            ],
            "pooling": {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": False, f"pooling_mode_{MODES[mode]}": True,
                        "include_prompt": include_prompt},
            "prompts": {"prompts": PROMPTS, "default_prompt_name": default, "similarity_fn_name": "cosine"},
            "options": options,
            "embeddings": embeddings,
        })
    golden = {"texts": TEXTS, "cases": cases}
    (HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


# The modes' flags.
MODES = {
    "cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens", "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean": "weightedmean_tokens", "lasttoken": "lasttoken",
}

if __name__ == "__main__":
    main()
