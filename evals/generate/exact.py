"""What exact arithmetic makes of the texts of this folder: the weights as floats, activations not quantised, 64-bit sums.

`python exact.py MODEL.gguf REFERENCE.json`, for models of the architecture qwen2, with numpy 2.4.6 and gguf 0.19.0. Prints, for each
continuation of the reference, whether each of its tokens is the likeliest here, and how much less likely the first is that is not.
"""
import json
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

# Outputs of a product that are computed at once.
ROWS = 8192


class Qwen2:
    def __init__(self, path):
        reader = GGUFReader(path)
        number = lambda name: reader.fields[f"qwen2.{name}"].contents()
        self.layers, self.heads = number("block_count"), number("attention.head_count")
        self.groups, self.eps = number("attention.head_count_kv"), number("attention.layer_norm_rms_epsilon")
        self.base = number("rope.freq_base")
        self.weights = {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}

    def linear(self, x, name):
        weight = self.weights[f"{name}.weight"]
        parts = [x @ weight[at : at + ROWS].astype(np.float64).T for at in range(0, len(weight), ROWS)]
        return np.concatenate(parts, -1) + self.weights.get(f"{name}.bias", 0.0)

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.weights[f"{name}.weight"]

    def attention(self, x, name, rope):
        count, width = len(x), x.shape[-1] // self.heads
        split = lambda kind: self.linear(x, f"{name}.attn_{kind}").reshape(count, -1, width).swapaxes(0, 1)
        each = self.heads // self.groups
        query, key, value = rope(split("q")), rope(split("k")).repeat(each, 0), split("v").repeat(each, 0)
        scores = query @ key.swapaxes(1, 2) / np.sqrt(width) + np.triu(np.full((count, count), -np.inf), 1)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = scores / scores.sum(-1, keepdims=True) @ value
        return self.linear(mixed.swapaxes(0, 1).reshape(count, -1), f"{name}.attn_output")

    def logits(self, ids, first):
        """Those of the tokens from number `first` on."""
        x = self.weights["token_embd.weight"][ids].astype(np.float64)
        width = x.shape[-1] // self.heads
        angles = np.outer(np.arange(len(ids)), self.base ** (-np.arange(0, width, 2) / width))
        cos, sin = np.cos(angles), np.sin(angles)

        def rope(x):
            one, other = np.split(x, 2, -1)
            return np.concatenate([one * cos - other * sin, other * cos + one * sin], -1)

        for layer in (f"blk.{number}" for number in range(self.layers)):
            x = x + self.attention(self.norm(x, f"{layer}.attn_norm"), layer, rope)
            inner = self.norm(x, f"{layer}.ffn_norm")
            gate = self.linear(inner, f"{layer}.ffn_gate")
            gated = gate / (1 + np.exp(-gate)) * self.linear(inner, f"{layer}.ffn_up")
            x = x + self.linear(gated, f"{layer}.ffn_down")
        tied = "output" if "output.weight" in self.weights else "token_embd"
        return self.linear(self.norm(x[first:], "output_norm"), tied)


def main():
    model, reference = Qwen2(sys.argv[1]), json.load(open(sys.argv[2]))
    for kind in ("prompts", "infills"):
        for number, each in enumerate(reference[kind]):
            prompt, following = each["prompt"], each["following"]
            logits = model.logits(np.array(prompt + following[:-1]), len(prompt) - 1)
            gaps = logits.max(-1) - logits[np.arange(len(following)), following]
            at = next((at for at, gap in enumerate(gaps) if gap > 0), None)
            found = "equal" if at is None else f"differs at token {at} by {gaps[at]:.4f}"
            print(f"{kind} {number}: {found}", flush=True)


main()
