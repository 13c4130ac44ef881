"""Decoders as ONNX files in the forms that are published for transformers.js, and what onnxruntime and transformers compute
with them. See README.md."""

import importlib.util
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer
from onnxruntime_genai.models import builder
from safetensors.numpy import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    DynamicCache,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

# The builder finds its own modules by this name.
base = sys.modules["builders.base"]

HERE = Path(__file__).parent.resolve()
FAMILIES = HERE.parent / "families"
specification = importlib.util.spec_from_file_location("families", FAMILIES / "make.py")
families = importlib.util.module_from_spec(specification)
specification.loader.exec_module(families)

TEXT, PROMPT, GREEDY = families.TEXT, families.PROMPT, families.GREEDY
LEAST = 0.02
"""How much likelier a greedy token is than the next, at least: more than what is rounded by quantised activations."""


# name: a configuration for graphs of the builder. onnxruntime's attention wants heads of a multiple of 16 numbers.
CONFIGURATIONS = {
    "qwen2": Qwen2Config(
        **families.sizes(num_attention_heads=2, num_key_value_heads=1, rope_parameters=families.default(1000000.0)),
        tie_word_embeddings=True,
    ),
    "qwen3": Qwen3Config(
        **families.sizes(head_dim=16, rope_parameters=families.default(1000000.0)), tie_word_embeddings=True
    ),
}


def checkpoint(name, folder):
    """The checkpoint of a family in `folder`, with a tokenizer, which the builder wants."""
    if name in CONFIGURATIONS:
        model = AutoModelForCausalLM.from_config(CONFIGURATIONS[name], attn_implementation="eager")
        families.randomise(model, 100)
        model.to(torch.bfloat16).save_pretrained(folder)
    else:
        shutil.copytree(FAMILIES / name, folder, dirs_exist_ok=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(FAMILIES / "tokenizer.json"))
    tokenizer.save_pretrained(folder)


def build(folder, precision, device="cpu", heads=False, **options):
    """The graph that the model builder of onnxruntime-genai makes of the checkpoint in `folder`. With `heads` it is one of
    MultiHeadAttention, which the builder has for devices without GroupQueryAttention."""
    supported = base.Model.is_gqa_supported, base.Model.is_packed_attn_supported
    if heads:
        base.Model.is_gqa_supported = base.Model.is_packed_attn_supported = lambda self: False
    try:
        with tempfile.TemporaryDirectory() as temporary:
            extra = {"windowed_kv_cache": "false", "accuracy_level": "0", **options}
            extra = builder.parse_extra_options(
                None, str(folder), temporary, precision, device, temporary, [f"{key}={value}" for key, value in extra.items()]
            )
            builder.create_model(None, str(folder), temporary, precision, device, temporary, **extra)
            return onnx.load(Path(temporary) / "model.onnx")
    finally:
        base.Model.is_gqa_supported, base.Model.is_packed_attn_supported = supported


class Exported(torch.nn.Module):
    """A decoder with the inputs and outputs of optimum's exports."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.kinds = set(getattr(model.config, "layer_types", None) or [])

    def forward(self, input_ids, attention_mask, position_ids, *past):
        cache = DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        keys = torch.arange(attention_mask.shape[1])[None, None, None, :]
        hidden = (keys > position_ids[:, None, :, None]) | (attention_mask[:, None, None, :] == 0)
        mask = torch.zeros(hidden.shape).masked_fill(hidden, torch.finfo(torch.float32).min)
        if "sliding_attention" in self.kinds:
            far = hidden | (keys <= position_ids[:, None, :, None] - self.model.config.sliding_window)
            near = torch.zeros(far.shape).masked_fill(far, torch.finfo(torch.float32).min)
            mask = {"full_attention": mask, "sliding_attention": near}
        out = self.model(
            input_ids=input_ids, attention_mask=mask, position_ids=position_ids, past_key_values=cache, use_cache=True
        )
        presents = [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
        return (out.logits, *presents)


def export(folder):
    """The graph that torch exports, of ONNX's own operators."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    config = model.config
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    kinds = [(layer, kind) for layer in range(config.num_hidden_layers) for kind in ("key", "value")]
    pasts = [f"past_key_values.{layer}.{kind}" for layer, kind in kinds]
    presents = [f"present.{layer}.{kind}" for layer, kind in kinds]
    past = [torch.randn(1, config.num_key_value_heads, 5, size) for _ in kinds]
    inputs = (torch.ones(1, 3, dtype=torch.int64), torch.ones(1, 8, dtype=torch.int64), torch.arange(5, 8)[None], *past)
    names = ["input_ids", "attention_mask", "position_ids", *pasts]
    axes = {
        "input_ids": {0: "batch_size", 1: "sequence_length"},
        "attention_mask": {0: "batch_size", 1: "total_sequence_length"},
        "position_ids": {0: "batch_size", 1: "sequence_length"},
        "logits": {0: "batch_size", 1: "sequence_length"},
        **{name: {0: "batch_size", 2: "past_sequence_length"} for name in pasts},
        **{name: {0: "batch_size", 2: "total_sequence_length"} for name in presents},
    }
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "model.onnx"
        torch.onnx.export(
            Exported(model), inputs, path, input_names=names, output_names=["logits", *presents], dynamic_axes=axes,
            opset_version=17, dynamo=False,
        )  # fmt: skip
        return onnx.load(path)


def bnb4(model):
    """`model` with the weights of its products in 4-bit floats of bitsandbytes."""
    quantizer = MatMulBnb4Quantizer(model, quant_type=MatMulBnb4Quantizer.NF4, block_size=16)
    quantizer.process()
    return quantizer.model.model


def int8(model):
    """`model` with the weights of its products in 8-bit integers, and activations that are quantised while it runs."""
    with tempfile.TemporaryDirectory() as temporary:
        paths = [Path(temporary) / name for name in ("model.onnx", "quantized.onnx")]
        onnx.save(model, paths[0])
        quantize_dynamic(*paths, weight_type=QuantType.QUInt8, op_types_to_quantize=["MatMul"])
        return onnx.load(paths[1])


CASES = {
    # name: (family, file, how it is made of the folder of the checkpoint)
    "groups": ("llama3", "model", lambda folder: build(folder, "fp32")),
    "groups-q4": ("llama3", "model_q4", lambda folder: build(folder, "int4")),
    "groups-q4f16": ("llama3", "model_q4f16", lambda folder: build(folder, "int4", device="webgpu")),
    "tied-q4": ("qwen2", "model_q4", lambda folder: build(folder, "int4")),
    "norms": ("qwen3", "model", lambda folder: build(folder, "fp32", disable_qkv_fusion="true")),
    "heads": ("llama2", "model", lambda folder: build(folder, "fp32", heads=True)),
    "exported": ("llama2", "model", export),
    "exported-windows": ("gemma3", "model", export),
    "exported-bnb4": ("llama2", "model_bnb4", lambda folder: bnb4(export(folder))),
    "exported-q8": ("llama2", "model_quantized", lambda folder: int8(export(folder))),
}


def save(model, folder, file):
    """The file, with the weights of one of 4 bits next to it, as larger ones have them."""
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    external = dict(save_as_external_data=True, location=f"{file}.onnx_data", size_threshold=64) if "q4" in file else {}
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.value_info[:]
    onnx.save(model, folder / "onnx" / f"{file}.onnx", **external)


class Session:
    """A decoder in onnxruntime, with the keys and values of what it has read."""

    def __init__(self, path):
        config = json.loads((Path(path).parents[1] / "config.json").read_text())
        size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.names = [port.name for port in self.session.get_inputs()]
        self.outputs = [port.name for port in self.session.get_outputs()]
        self.past = {
            port.name: np.zeros((1, port.shape[1], 0, size), np.float16 if "float16" in port.type else np.float32)
            for port in self.session.get_inputs()
            if port.name.startswith("past")
        }
        self.read = 0

    def __call__(self, ids):
        total = self.read + len(ids)
        feeds = {
            "input_ids": np.array([ids], np.int64),
            "attention_mask": np.ones((1, total), np.int64),
            "position_ids": np.arange(self.read, total)[None],
            **self.past,
        }
        out = dict(zip(self.outputs, self.session.run(None, {name: feeds[name] for name in self.names})))
        self.past = {name: out[name.replace("past_key_values", "present")] for name in self.past}
        self.read = total
        return out["logits"][0].astype(np.float32)


def golden(path, text):
    """The logits of a text read at once, and the likeliest tokens behind its beginning, one after the other."""
    logits = Session(path)(text)
    session, tokens, margin = Session(path), [], np.inf
    row = session(text[:PROMPT])[-1]
    while len(tokens) < GREEDY:
        second, first = np.sort(row)[-2:]
        margin = min(margin, first - second)
        tokens.append(int(row.argmax()))
        if tokens[-1] == families.SIZES["eos_token_id"]:
            break
        row = session(tokens[-1:])[-1]
    return logits, tokens, margin


def transformers_logits(folder, text):
    """What transformers computes in 32 bits."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        return model(torch.tensor([text])).logits[0].numpy()


def main():
    torch.set_num_threads(1)
    json_file, tensor_file = HERE / "golden.json", HERE / "logits.safetensors"
    names = sys.argv[1:]
    goldens, tensors = (json.loads(json_file.read_text()), load_file(tensor_file)) if names else ({}, {})
    for seed, (name, (family, file, make)) in enumerate(CASES.items()):
        if names and name not in names:
            continue
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory() as temporary:
            checkpoint(family, Path(temporary))
            torch.manual_seed(seed)
            save(make(Path(temporary)), folder, file)
            shutil.copy(Path(temporary) / "config.json", folder)
            shutil.copy(FAMILIES / "tokenizer.json", folder)
            random, margin = np.random.default_rng(200 + seed), 0.0
            while margin < LEAST:
                text = random.integers(3, families.VOCABULARY, TEXT).tolist()
                logits, greedy, margin = golden(str(folder / "onnx" / f"{file}.onnx"), text)
            if file == "model":
                reference = transformers_logits(temporary, text)
                off = np.abs(logits - reference).max() / np.abs(reference).max()
                assert off < 1e-5, f"{name}: onnxruntime is {off} off transformers"
                print(f"{name}: onnxruntime is {off:.1e} off transformers")
        goldens[name] = {"text": text, "prompt": PROMPT, "greedy": greedy}
        tensors[name] = logits
        json_file.write_text(json.dumps(goldens) + "\n")
        save_file(tensors, tensor_file)


if __name__ == "__main__":
    main()
