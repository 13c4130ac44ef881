"""Converts a BERT encoder from safetensors to ONNX files for the benchmarks.

The graph is that of a plain export of the published model, in the patterns that onnxruntime's optimiser can fuse: a graph that
it could not fuse would make the comparison unfair. Next to `model.onnx` it writes `model_quantized.onnx`, quantised to 8 bits by
onnxruntime, and `linear.onnx`, which has only the linear layers.

    python make_onnx.py --model FOLDER --out FILE
"""

import argparse
import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file

OPSET = 17
# The IR version that goes with the opset: older runtimes refuse a newer one.
IR_VERSION = 8
# Added to masked attention scores; exp(-10000) is zero in single precision.
MASKED = -10000.0
TOLERANCE = 1e-4


class Graph:
    """Collects nodes and weights; every method returns the name of its output."""

    def __init__(self):
        self.nodes = []
        self.weights = {}

    def weight(self, name, value):
        # Not `ascontiguousarray`, which turns a scalar into an array of one element.
        self.weights.setdefault(name, numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, operator, *inputs, **attributes):
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def linear(self, x, weights, name):
        # The published weights are [out, in]; MatMul wants [in, out].
        product = self.node("MatMul", x, self.weight(f"{name}.weight", weights[f"{name}.weight"].T))
        return self.node("Add", product, self.weight(f"{name}.bias", weights[f"{name}.bias"]))

    def layer_norm(self, x, weights, name, epsilon):
        scale = self.weight(f"{name}.weight", weights[f"{name}.weight"])
        bias = self.weight(f"{name}.bias", weights[f"{name}.bias"])
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)

    def gelu(self, x):
        root = self.weight("sqrt_2", np.float32(math.sqrt(2)))
        erf = self.node("Erf", self.node("Div", x, root))
        one_more = self.node("Add", erf, self.weight("one", np.float32(1)))
        return self.node("Mul", self.node("Mul", x, one_more), self.weight("half", np.float32(0.5)))


def embeddings(graph, weights, config):
    """The sum of word, position and type embeddings, normalised."""
    table = lambda name: graph.weight(f"embeddings.{name}.weight", weights[f"embeddings.{name}.weight"])
    length = graph.node("Gather", graph.node("Shape", "input_ids"), graph.weight("index_1", np.int64(1)), axis=0)
    zero = graph.weight("index_0", np.int64(0))
    positions = graph.node("Range", zero, length, graph.weight("index_1", np.int64(1)))
    words = graph.node("Gather", table("word_embeddings"), "input_ids", axis=0)
    types = graph.node("Gather", table("token_type_embeddings"), "token_type_ids", axis=0)
    places = graph.node("Gather", table("position_embeddings"), positions, axis=0)
    total = graph.node("Add", graph.node("Add", words, types), places)
    return graph.layer_norm(total, weights, "embeddings.LayerNorm", config["layer_norm_eps"])


def attention_bias(graph):
    """What is added to the scores, [batch, 1, 1, seq]: nothing where the mask is one."""
    rows = graph.node("Unsqueeze", "attention_mask", graph.weight("axis_1", np.array([1], np.int64)))
    mask = graph.node("Unsqueeze", rows, graph.weight("axis_2", np.array([2], np.int64)))
    hidden = graph.node("Sub", graph.weight("one", np.float32(1)), graph.node("Cast", mask, to=TensorProto.FLOAT))
    return graph.node("Mul", hidden, graph.weight("masked", np.float32(MASKED)))


def attention(graph, x, bias, weights, name, config):
    heads = config["num_attention_heads"]
    size = config["hidden_size"] // heads
    # A zero keeps the dimension of the input: batch and length stay free.
    split = graph.weight("split_heads", np.array([0, 0, heads, size], np.int64))
    join = graph.weight("join_heads", np.array([0, 0, heads * size], np.int64))

    def part(which, order):
        y = graph.linear(x, weights, f"{name}.self.{which}")
        return graph.node("Transpose", graph.node("Reshape", y, split), perm=order)

    query, key, value = part("query", [0, 2, 1, 3]), part("key", [0, 2, 3, 1]), part("value", [0, 2, 1, 3])
    scale = graph.weight("sqrt_head", np.float32(math.sqrt(size)))
    scores = graph.node("Add", graph.node("Div", graph.node("MatMul", query, key), scale), bias)
    mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value)
    joined = graph.node("Reshape", graph.node("Transpose", mixed, perm=[0, 2, 1, 3]), join)
    return graph.linear(joined, weights, f"{name}.output.dense")


def build(weights, config):
    """The whole model, from token ids to `last_hidden_state`."""
    graph = Graph()
    epsilon = config["layer_norm_eps"]
    x = embeddings(graph, weights, config)
    bias = attention_bias(graph)
    for index in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{index}"
        attended = attention(graph, x, bias, weights, f"{name}.attention", config)
        x = graph.layer_norm(graph.node("Add", attended, x), weights, f"{name}.attention.output.LayerNorm", epsilon)
        inner = graph.gelu(graph.linear(x, weights, f"{name}.intermediate.dense"))
        outer = graph.linear(inner, weights, f"{name}.output.dense")
        x = graph.layer_norm(graph.node("Add", outer, x), weights, f"{name}.output.LayerNorm", epsilon)
    graph.nodes[-1].output[0] = "last_hidden_state"

    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "seq"])
              for name in ("input_ids", "attention_mask", "token_type_ids")]
    shape = ["batch", "seq", config["hidden_size"]]
    outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, shape)]
    return model_of(graph, inputs, outputs)


def build_linear(weights, config):
    """The linear layers by themselves: each gets `x`, or what another one made of it, and all are added up."""
    graph = Graph()
    hidden = config["hidden_size"]
    ends = [graph.weight(name, np.array([value], np.int64)) for name, value in (("from", 0), ("to", hidden), ("axis", 1))]
    total = None
    for index in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{index}"
        own = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        side_by_side = {f"{name}.qkv.{kind}": np.concatenate([weights[f"{part}.{kind}"] for part in own])
                        for kind in ("weight", "bias")}
        mixed = graph.node("Slice", graph.linear("x", side_by_side, f"{name}.qkv"), *ends)
        attended = graph.linear(mixed, weights, f"{name}.attention.output.dense")
        inner = graph.gelu(graph.linear("x", weights, f"{name}.intermediate.dense"))
        both = graph.node("Add", attended, graph.linear(inner, weights, f"{name}.output.dense"))
        total = graph.node("Add", total, both) if total else both
    graph.nodes[-1].output[0] = "y"
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", hidden]) for name in ("x", "y")]
    return model_of(graph, ports[:1], ports[1:])


def model_of(graph, inputs, outputs):
    body = helper.make_graph(graph.nodes, "bert", inputs, outputs, list(graph.weights.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="pilot-light")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model


def reference(weights, config, ids, mask, types):
    """The same forward pass in numpy, straight from the definition, in double precision."""
    weights = {name: value.astype(np.float64) for name, value in weights.items() if value.dtype == np.float32}
    erf = np.vectorize(math.erf)
    heads, eps = config["num_attention_heads"], config["layer_norm_eps"]
    batch, length = ids.shape

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def split(x):
        return x.reshape(batch, length, heads, -1).transpose(0, 2, 1, 3)

    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.token_type_embeddings.weight"][types]
    x = norm(x + weights["embeddings.position_embeddings.weight"][:length], "embeddings.LayerNorm")
    for index in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{index}"
        query, key, value = (split(linear(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1])
        scores = np.where(mask[:, None, None, :] == 1, scores, -np.inf)
        odds = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (odds / odds.sum(-1, keepdims=True)) @ value
        mixed = mixed.transpose(0, 2, 1, 3).reshape(batch, length, -1)
        x = norm(x + linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        inner = linear(x, f"{name}.intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    return x


def verify(path, weights, config):
    """The largest difference between the file, run by onnxruntime, and the numpy forward pass."""
    random = np.random.default_rng(0)
    worst = 0.0
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch, length in ((1, 1), (1, 16), (3, 24)):
        ids = random.integers(0, config["vocab_size"], (batch, length))
        types = random.integers(0, config["type_vocab_size"], (batch, length))
        # Rows of different lengths, so that the mask is tested.
        mask = (np.arange(length)[None, :] < length - 5 * np.arange(batch)[:, None]).astype(np.int64)
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        (output,) = session.run(None, feeds)
        difference = np.abs(output - reference(weights, config, ids, mask, types))
        worst = max(worst, float(difference[mask == 1].max()))
    return worst


def check_config(config):
    expected = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
    for key, value in expected.items():
        if config.get(key, value) != value:
            sys.exit(f"make_onnx: {key} is {config[key]!r}, expected {value!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="folder with config.json and model.safetensors")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    options = parser.parse_args()

    config = json.loads((options.model / "config.json").read_text())
    check_config(config)
    weights = load_file(options.model / "model.safetensors")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    # Written under another name and renamed after verification: a file at `--out` is valid.
    partial = options.out.with_name(options.out.name + ".partial")
    onnx.save(build(weights, config), partial)
    worst = verify(partial, weights, config)
    if not worst <= TOLERANCE:
        sys.exit(f"make_onnx: {partial} differs by {worst:.2e} from the numpy forward pass, more than {TOLERANCE:.0e}")
    os.replace(partial, options.out)
    onnx.save(build_linear(weights, config), options.out.with_name("linear.onnx"))
    quantize_dynamic(options.out, options.out.with_name("model_quantized.onnx"), weight_type=QuantType.QInt8)
    print(f"{options.out}: {options.out.stat().st_size} bytes, within {worst:.1e} of the numpy forward pass")


if __name__ == "__main__":
    main()
