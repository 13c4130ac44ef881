"""Tiny random decoders as transformers saves them, with the logits and the greedy tokens that it computes. See README.md."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter
from gguf.quants import quantize
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

VOCABULARY = 96
TEXT = 72
"""More tokens than any window and any original context."""
PROMPT = 20
GREEDY = 24

SIZES = dict(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=None,
)
LLAMA3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=32)


def default(theta):
    return dict(rope_type="default", rope_theta=theta)


def sizes(**changes):
    return {**SIZES, **changes}


FAMILIES = {
    # name: (configuration, type of the weights, the largest shard)
    "llama2": (LlamaConfig(**sizes(num_key_value_heads=4, rms_norm_eps=1e-5)), torch.float16, "1GB"),
    "llama3": (
        LlamaConfig(**sizes(head_dim=16, rope_parameters={**LLAMA3, "original_max_position_embeddings": 32})),
        torch.bfloat16,
        "20KB",
    ),
    "codellama": (
        LlamaConfig(**sizes(num_key_value_heads=4, rope_parameters=default(1000000.0))),
        torch.float32,
        "1GB",
    ),
    "linear": (
        LlamaConfig(**sizes(rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0))),
        torch.bfloat16,
        "1GB",
    ),
    "yarn": (LlamaConfig(**sizes(head_dim=16, rope_parameters=YARN)), torch.bfloat16, "1GB"),
    "yarn-factor": (
        Qwen2Config(
            **sizes(rope_parameters={**YARN, "attention_factor": 0.8, "beta_fast": 8.0, "beta_slow": 2.0}),
            tie_word_embeddings=True,
        ),
        torch.float16,
        "1GB",
    ),
    "mistral": (MistralConfig(**sizes(head_dim=12, sliding_window=9)), torch.bfloat16, "1GB"),
    "qwen2": (
        Qwen2Config(**sizes(rope_parameters=default(1000000.0)), tie_word_embeddings=True),
        torch.bfloat16,
        "1GB",
    ),
    "qwen2-window": (
        Qwen2Config(**sizes(num_hidden_layers=3), use_sliding_window=True, sliding_window=11, max_window_layers=1),
        torch.float16,
        "1GB",
    ),
    "qwen3": (
        Qwen3Config(**sizes(head_dim=24, rope_parameters=default(1000000.0)), tie_word_embeddings=True),
        torch.bfloat16,
        "1GB",
    ),
    "smollm2": (
        LlamaConfig(
            **sizes(num_attention_heads=3, num_key_value_heads=1, hidden_size=36, rope_parameters=default(100000.0)),
            tie_word_embeddings=True,
        ),
        torch.bfloat16,
        "1GB",
    ),
    "gemma3": (
        Gemma3TextConfig(
            **sizes(num_hidden_layers=4, head_dim=16, num_key_value_heads=1),
            sliding_window=10,
            query_pre_attn_scalar=24,
            layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
            rope_parameters={
                "sliding_attention": default(10000.0),
                "full_attention": dict(rope_type="linear", rope_theta=1000000.0, factor=8.0),
            },
        ),
        torch.bfloat16,
        "1GB",
    ),
}


def randomise(model, seed):
    """Weights of which each matters: attention is far from even, and no norm or bias is left as it began."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            numbers = torch.randn(weight.shape, generator=random)
            if weight.dim() == 2:
                wide = 2.0 if "q_proj" in name or "k_proj" in name else 1.0
                weight.copy_(numbers * wide / weight.shape[1] ** 0.5)
            elif name.endswith("bias"):
                weight.copy_(numbers * 0.5)
            else:
                weight.copy_((0.0 if "Gemma" in type(model).__name__ else 1.0) + numbers * 0.3)


def golden(folder, text):
    """What the checkpoint as it was saved gives in 32 bits."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        logits = model(torch.tensor([text])).logits[0]
        tokens, margin = list(text[:PROMPT]), np.inf
        for _ in range(GREEDY):
            best = model(torch.tensor([tokens])).logits[0, -1].topk(2)
            margin = min(margin, float(best.values[0] - best.values[1]))
            tokens.append(int(best.indices[0]))
            if tokens[-1] == SIZES["eos_token_id"]:
                break
    assert margin > 1e-4, f"{folder}: a tie of {margin}"
    return model, logits, tokens[PROMPT:]


def permuted(weight, heads):
    """Rows of queries or keys as llama.cpp's convert_hf_to_gguf.py has them for `llama`: pairs are neighbours."""
    rows = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return rows.swapaxes(1, 2).reshape(weight.shape)


NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name):
    stem, kind = name.rsplit(".", 1)
    if stem.startswith("model.layers."):
        _, _, layer, rest = stem.split(".", 3)
        return f"blk.{layer}.{NAMES[rest]}.{kind}"
    return f"{NAMES[stem]}.{kind}"


def write_gguf(path, model, architecture):
    """The model as llama.cpp's converter writes it."""
    config = model.config
    writer = GGUFWriter(path, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] in ("linear", "yarn"):
        writer.add_string(f"{architecture}.rope.scaling.type", rope["rope_type"])
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if rope["rope_type"] == "llama3":
        frequencies = model.model.rotary_emb.inv_freq.numpy()
        plain = rope["rope_theta"] ** -(np.arange(0, head, 2) / head)
        writer.add_tensor("rope_freqs.weight", (plain / frequencies).astype(np.float32))
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        numbers = weight.numpy()
        if architecture == "llama" and "q_proj" in name:
            numbers = permuted(numbers, config.num_attention_heads)
        if architecture == "llama" and "k_proj" in name:
            numbers = permuted(numbers, config.num_key_value_heads)
        kind = Type.F16 if numbers.ndim == 2 else Type.F32
        writer.add_tensor(gguf_name(name), quantize(numbers, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


GGUF = {"llama3": "llama", "linear": "llama", "yarn": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
"""The families that have a GGUF file as well, of 16-bit floats, and its architecture."""


def write_tokenizer():
    """Numbers as words."""
    words = {str(index): index for index in range(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save("tokenizer.json", pretty=False)


def main():
    torch.set_num_threads(1)
    goldens, tensors = {}, {}
    write_tokenizer()
    for seed, (name, (config, dtype, shard)) in enumerate(FAMILIES.items()):
        folder = Path(name)
        shutil.rmtree(folder, ignore_errors=True)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        randomise(model, seed)
        model.to(dtype).save_pretrained(folder, max_shard_size=shard)
        (folder / "generation_config.json").unlink(missing_ok=True)
        [file.chmod(0o644) for file in folder.iterdir()]
        text = np.random.default_rng(seed).integers(3, VOCABULARY, TEXT).tolist()
        model, logits, greedy = golden(folder, text)
        goldens[name] = {"text": text, "prompt": PROMPT, "greedy": greedy}
        tensors[name] = logits.contiguous()
        if name in GGUF:
            write_gguf(folder / "model.gguf", model, GGUF[name])
    Path("golden.json").write_text(json.dumps(goldens) + "\n")
    save_file(tensors, "logits.safetensors")


if __name__ == "__main__":
    main()
