"""Regenerates operators.safetensors (see README.md): python make.py"""

from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

HERE = Path(__file__).resolve().parent
TYPES = {
    "float32": TensorProto.FLOAT,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
}
SMALL = {"uint4": TensorProto.UINT4, "int4": TensorProto.INT4}
MICROSOFT = "com.microsoft"
kept = {}


def numbers(place: int, shape, dtype="float32") -> np.ndarray:
    """What the test makes of the place of an input and of a number in it, by the same formula."""
    at = np.arange(int(np.prod(shape)), dtype=np.int64)
    mixed = (at * 37 + place * 11 + 5) * 101
    if dtype == "float32":
        values = mixed % 1999 / 999.5 - 1
    else:
        values = mixed % 251 - (125 if dtype == "int8" else 0)
    return values.astype(dtype).reshape(shape)


def f(*shape):
    return ("float32", shape)


def u8(*shape):
    return ("uint8", shape)


def i8(*shape):
    return ("int8", shape)


def case(name, op, inputs, outputs=1, domain="", opset=17, **attributes):
    """An operator with `inputs`: a type and a shape, whose numbers are those of the formula; an array, which is kept;
    ("constant", array) for one that is in the model; or None."""
    ports, initializers, feeds, names = [], [], {}, []
    for place, given in enumerate(inputs):
        port = f"x{place}"
        names.append("" if given is None else port)
        if given is None:
            continue
        if isinstance(given, tuple) and given[0] == "constant":
            initializers.append(numpy_helper.from_array(np.asarray(given[1]), port))
            continue
        if isinstance(given, tuple) and given[0] in SMALL:
            packed = helper.make_tensor(port, SMALL[given[0]], given[1].shape, given[1].ravel().tolist())
            initializers.append(packed)
            continue
        if isinstance(given, tuple):
            array = numbers(place, given[1], given[0])
        else:
            array = np.asarray(given)
            kept[f"{name}/in/{port}"] = array
        feeds[port] = array
        ports.append(helper.make_tensor_value_info(port, TYPES[str(array.dtype)], array.shape))
    results = [f"y{place}" for place in range(outputs)]
    node = helper.make_node(op, names, results, domain=domain, **attributes)
    graph = helper.make_graph([node], name, ports, [helper.make_empty_tensor_value_info(y) for y in results], initializers)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    for result, array in zip(results, run(model, feeds)):
        kept[f"{name}/out/{result}"] = np.ascontiguousarray(array)
        found = next(value for value in model.graph.output if value.name == result)
        found.CopyFrom(helper.make_tensor_value_info(result, TYPES[str(array.dtype)], array.shape))
    kept[f"{name}/model"] = np.frombuffer(model.SerializeToString(), np.uint8)


def run(model, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def products():
    case("matmul_batches", "MatMul", [f(2, 1, 5, 70), f(3, 70, 9)])
    case("matmul_vectors", "MatMul", [f(300), f(2, 300, 7)])
    case("matmul_deep", "MatMul", [f(5, 500), f(500, 11)])
    case("gemm_both_turned", "Gemm", [f(40, 6), f(9, 40), f(6, 1)], transA=1, transB=1, alpha=0.5, beta=2.0)
    case("gemm_row", "Gemm", [f(3, 260), f(260, 10), f(10)], alpha=1.5, beta=0.25)
    case("einsum_attention", "Einsum", [f(2, 5, 3, 4), f(2, 6, 3, 4)], equation="bqhd,bkhd->bhqk")
    case("einsum_three", "Einsum", [f(3, 4), f(4, 5), f(5)], equation="ij,jk,k->i")
    case("einsum_implied", "Einsum", [f(3, 4), f(4, 2)], equation="ij,jk")


def convolutions():
    case("conv_same_lower", "Conv", [f(1, 3, 9, 8), f(4, 3, 4, 2), f(4)], auto_pad="SAME_LOWER", strides=[2, 1])
    case("conv_same_upper", "Conv", [f(1, 3, 9, 8), f(4, 3, 4, 2)], auto_pad="SAME_UPPER", strides=[2, 3])
    case("conv_groups", "Conv", [f(2, 6, 7, 12), f(9, 2, 3, 3), f(9)], group=3, pads=[1, 0, 2, 1], dilations=[2, 1])
    case("conv_1d_many_images", "Conv", [f(5, 3, 20), f(6, 3, 3), f(6)], strides=[2], pads=[1, 1])
    case("conv_column", "Conv", [f(1, 7, 30, 1), f(5, 7, 5, 1)])
    case("conv_3d", "Conv", [f(1, 2, 4, 5, 6), f(3, 2, 2, 3, 2)], strides=[1, 2, 1], pads=[1, 0, 1, 0, 1, 1])
    case("conv_pointwise", "Conv", [f(2, 10, 9, 9), f(7, 10, 1, 1), f(7)])
    case("conv_pointwise_strided", "Conv", [f(1, 10, 9, 9), f(7, 10, 1, 1)], strides=[2, 2])
    case("depthwise_3x3", "Conv", [f(2, 4, 6, 37), f(4, 1, 3, 3), f(4)], group=4, pads=[1, 1, 1, 1])
    case("depthwise_5x5_strided", "Conv", [f(1, 3, 11, 43), f(3, 1, 5, 5)], group=3, strides=[2, 2], pads=[2, 2, 2, 2])
    case("depthwise_uneven", "Conv", [f(1, 3, 9, 20), f(6, 1, 3, 4)], group=3, strides=[2, 3], dilations=[1, 2], pads=[1, 4, 0, 5])
    case("depthwise_1d", "Conv", [f(1, 5, 33), f(5, 1, 7), f(5)], group=5, pads=[6, 0])
    case("transpose_2x2", "ConvTranspose", [f(1, 6, 5, 7), f(6, 3, 2, 2), f(3)], strides=[2, 2])
    case("transpose_groups", "ConvTranspose", [f(2, 4, 5, 6), f(4, 3, 3, 2), f(6)], group=2, strides=[2, 3], pads=[1, 0, 1, 2], output_padding=[1, 2], dilations=[2, 1])
    case("transpose_shape", "ConvTranspose", [f(1, 2, 4, 4), f(2, 2, 3, 3)], strides=[2, 2], output_shape=[8, 8])
    case("transpose_same", "ConvTranspose", [f(1, 2, 4, 4), f(2, 2, 3, 3)], strides=[2, 2], auto_pad="SAME_UPPER")
    case("transpose_1d", "ConvTranspose", [f(1, 3, 9), f(3, 2, 4)], strides=[3], pads=[1, 2])


def normalisations():
    case("layer_norm_axis_1", "LayerNormalization", [f(3, 4, 5), f(4, 5), f(4, 5)], outputs=3, axis=1)
    case("batch_norm", "BatchNormalization", [f(2, 3, 4), f(3), f(3), f(3), np.float32([0.5, 1, 2])], epsilon=1e-3)
    case("softmax_axis_1", "Softmax", [f(3, 7, 5)], axis=1)
    case("softmax_flat", "Softmax", [f(3, 7, 5)], opset=11, axis=1)
    case("log_softmax", "LogSoftmax", [f(4, 21)])
    case("lrn", "LRN", [f(2, 7, 3, 2)], size=5, alpha=0.3, beta=0.6, bias=1.5)


def recurrent():
    def weights(gates, directions, hidden=6, inputs=5):
        return [f(directions, gates * hidden, inputs), f(directions, gates * hidden, hidden), f(directions, 2 * gates * hidden)]

    lengths = np.int32([4, 2, 3])
    states = [f(2, 3, 6), f(2, 3, 6)]
    case("lstm_all", "LSTM", [f(4, 3, 5), *weights(4, 2), lengths, *states, f(2, 18)], outputs=3, hidden_size=6, direction="bidirectional", clip=0.6)
    case("lstm_batch", "LSTM", [f(3, 9, 5), *weights(4, 1)], outputs=3, hidden_size=6)
    case("lstm_functions", "LSTM", [f(4, 1, 5), *weights(4, 1)], outputs=3, hidden_size=6, activations=["HardSigmoid", "Softsign", "ScaledTanh"], activation_alpha=[0.3, 0.7], activation_beta=[0.4, 0.9])
    case("lstm_backwards", "LSTM", [f(4, 2, 5), *weights(4, 1)], outputs=3, hidden_size=6, direction="reverse", input_forget=1)
    case("gru_all", "GRU", [f(4, 3, 5), *weights(3, 2), lengths, f(2, 3, 6)], outputs=2, hidden_size=6, direction="bidirectional")
    case("gru_after", "GRU", [f(4, 3, 5), *weights(3, 1)], outputs=2, hidden_size=6, linear_before_reset=1)
    case("gru_batch", "GRU", [f(2, 10, 5), *weights(3, 1)], outputs=2, hidden_size=6, linear_before_reset=1)
    case("rnn_functions", "RNN", [f(4, 2, 5), *weights(1, 2)], outputs=2, hidden_size=6, direction="bidirectional", activations=["Relu", "Affine"], activation_alpha=[0.5], activation_beta=[0.1])


def microsoft():
    def nbits(name, rows, k, n, block, bits, zeros=None, bias=False):
        blocks = -(-k // block)
        scales = numbers(2, (n, blocks)) * 0.1 + 0.15
        inputs = [f(rows, k), ("constant", numbers(1, (n, blocks, block * bits // 8), "uint8")), ("constant", scales)]
        if zeros == "packed":
            inputs.append(("constant", numbers(3, (n, -(-blocks * bits // 8)), "uint8")))
        if zeros == "floats":
            inputs.append(("constant", numbers(3, (n, blocks)) * 3 + 8))
        if bias:
            inputs += [None] * (5 - len(inputs)) + [f(n)]
        case(name, "MatMulNBits", inputs, domain=MICROSOFT, K=k, N=n, bits=bits, block_size=block)

    nbits("bits_4", 3, 64, 10, 32, 4)
    nbits("bits_4_packed_zeros", 7, 80, 9, 16, 4, "packed", True)
    nbits("bits_4_float_zeros", 1, 64, 5, 32, 4, "floats")
    nbits("bits_8", 2, 48, 11, 16, 8)
    nbits("bits_8_packed_zeros", 2, 48, 11, 16, 8, "packed")

    def case_ms(name, op, inputs, outputs=1, **attributes):
        case(name, op, inputs, outputs, domain=MICROSOFT, **attributes)

    case_ms("fused_matmul", "FusedMatMul", [f(2, 5, 3), f(2, 4, 5)], transA=1, transB=1, alpha=0.3)
    case_ms("bias_gelu", "BiasGelu", [f(2, 3, 6), f(6)])
    case_ms("gelu", "Gelu", [f(2, 9)])
    case_ms("fast_gelu", "FastGelu", [f(2, 9), f(9)])
    case_ms("quick_gelu", "QuickGelu", [f(2, 9)])
    case_ms("skip_norm", "SkipLayerNormalization", [f(2, 3, 6), f(2, 3, 6), f(6), f(6), f(6)], epsilon=1e-5)
    case_ms("skip_norm_simple", "SkipSimplifiedLayerNormalization", [f(2, 3, 6), f(2, 3, 6), f(6)], epsilon=1e-5)
    words, segments = np.int32([[1, 4, 2], [0, 3, 3]]), np.int32([[0, 0, 1], [0, 1, 1]])
    tables = [f(5, 6), f(4, 6), f(2, 6), f(6), f(6)]
    case_ms("embed_norm", "EmbedLayerNormalization", [words, segments, *tables, np.int32([[1, 1, 0], [1, 0, 0]])], outputs=2)
    case_ms("attention", "Attention", [f(2, 5, 8), f(8, 24), f(24), np.int32([5, 3])], num_heads=2)
    case_ms("attention_causal", "Attention", [f(2, 5, 8), f(8, 24), f(24)], num_heads=2, unidirectional=1)
    case_ms("attention_mask", "Attention", [f(2, 3, 8), f(8, 24), f(24), np.int32([[1, 1, 0], [1, 1, 1]])], num_heads=4)
    case_ms("heads", "MultiHeadAttention", [f(2, 5, 8), f(2, 4, 8), f(2, 4, 8), f(24)], num_heads=2)
    case_ms("heads_masked", "MultiHeadAttention", [f(2, 3, 8), f(2, 4, 8), f(2, 4, 8), None, np.int32([4, 2]), f(1, 2, 3, 4)], num_heads=2)
    past = [f(2, 2, 3, 4), f(2, 2, 3, 4)]
    case_ms("heads_present", "MultiHeadAttention", [f(2, 5, 8), f(2, 4, 8), f(2, 4, 8), f(24)], outputs=3, num_heads=2)
    case_ms("heads_past", "MultiHeadAttention", [f(2, 5, 8), f(2, 5, 8), f(2, 5, 8), f(24), None, None, *past], outputs=3, num_heads=2)
    case_ms("heads_past_causal", "MultiHeadAttention", [f(2, 1, 8), f(2, 1, 8), f(2, 1, 8), None, None, None, *past], outputs=3, num_heads=2, unidirectional=1)
    case_ms("attention_past", "Attention", [f(2, 1, 8), f(8, 24), f(24), None, f(2, 2, 2, 3, 4)], outputs=2, num_heads=2, unidirectional=1)
    case_ms("attention_present", "Attention", [f(2, 3, 8), f(8, 24), f(24)], outputs=2, num_heads=2)
    quantised = [np.float32(0.02), np.float32(0.03), None, np.uint8(120), np.int8(2)]
    case_ms("qattention", "QAttention", [u8(2, 5, 8), i8(8, 24), f(24), *quantised], num_heads=2)
    case_ms("qattention_causal", "QAttention", [u8(2, 5, 8), i8(8, 24), f(24), *quantised], num_heads=4, unidirectional=1)
    case_ms("qattention_mask", "QAttention", [u8(2, 5, 8), i8(8, 24), f(24), *quantised[:2], np.int32([5, 3]), *quantised[3:]], num_heads=2)
    angles = [f(10, 4), f(10, 4)]
    case_ms("rotary", "RotaryEmbedding", [f(2, 3, 16), np.int64([[0, 1, 2], [4, 5, 9]]), *angles])
    case_ms("rotary_offset", "RotaryEmbedding", [f(2, 3, 16), np.int64([5]), *angles], interleaved=1)
    case_ms("rotary_heads_first", "RotaryEmbedding", [f(2, 2, 3, 8), np.int64([[0, 1, 2], [4, 5, 9]]), *angles])
    case_ms("rotary_partial", "RotaryEmbedding", [f(2, 3, 24), np.int64([2]), *angles], num_heads=2, rotary_embedding_dim=8)
    for name, kind in [("nf4", 1), ("fp4", 0)]:
        # Two weights in a byte, and the largest of each block of 16.
        packed = ("constant", numbers(1, (7 * 32 // 2,), "uint8"))
        case_ms(f"bnb4_{name}", "MatMulBnb4", [f(3, 32), packed, ("constant", np.abs(numbers(2, (7 * 32 // 16,))))], K=32, N=7, block_size=16, quant_type=kind)
    rows = np.int64([[4, 0], [2, 2]])
    table = ("constant", numbers(0, (5, 16), "uint8"))
    case_ms("gather_blocks_bytes", "GatherBlockQuantized", [table, rows, ("constant", numbers(2, (5, 2)))], gather_axis=0, quantize_axis=1, block_size=16)
    case_ms("gather_blocks_bytes_zeros", "GatherBlockQuantized", [table, rows, ("constant", numbers(2, (5, 2))), ("constant", numbers(3, (5, 1), "uint8"))], gather_axis=0, quantize_axis=1, block_size=16)
    fours = np.arange(5 * 32).reshape(5, 32) * 7 % 16
    case_ms("gather_blocks_uint4", "GatherBlockQuantized", [("uint4", fours), rows, ("constant", numbers(2, (5, 2))), ("uint4", fours[:, :2])], gather_axis=0, quantize_axis=1, block_size=16)
    case_ms("gather_blocks_int4", "GatherBlockQuantized", [("int4", fours - 8), np.int64([3]), ("constant", numbers(2, (5, 2)))], gather_axis=0, quantize_axis=1, block_size=16)
    # Grouped queries: 4 heads of 16 that share 2 keys and values each; a cache of 6 where there is a past.
    wide = [f(10, 8), f(10, 8)]
    prompt = [f(2, 3, 64), f(2, 3, 32), f(2, 3, 32)]
    token = [f(2, 1, 64), f(2, 1, 32), f(2, 1, 32), f(2, 2, 6, 16), f(2, 2, 6, 16), np.int32([4, 2]), np.int32([5])]
    shared = {"num_heads": 4, "kv_num_heads": 2}
    case_ms("gqa_prompt", "GroupQueryAttention", [*prompt, None, None, np.int32([2, 2]), np.int32([3])], outputs=3, **shared)
    case_ms("gqa_prompt_rotary", "GroupQueryAttention", [*prompt, None, None, np.int32([2, 2]), np.int32([3]), *wide], outputs=3, do_rotary=1, **shared)
    case_ms("gqa_packed", "GroupQueryAttention", [f(2, 3, 128), None, None, None, None, np.int32([2, 2]), np.int32([3])], outputs=3, scale=0.3, **shared)
    case_ms("gqa_token", "GroupQueryAttention", token, outputs=3, **shared)
    case_ms("gqa_token_rotary", "GroupQueryAttention", [*token, *wide], outputs=3, do_rotary=1, rotary_interleaved=1, **shared)
    case_ms("gqa_window", "GroupQueryAttention", [f(1, 5, 64), f(1, 5, 32), f(1, 5, 32), None, None, np.int32([4]), np.int32([5])], outputs=3, local_window_size=2, **shared)
    case_ms("gqa_softcap", "GroupQueryAttention", [*prompt, None, None, np.int32([2, 2]), np.int32([3])], outputs=3, softcap=0.5, **shared)
    scale, zero = np.float32(0.02), np.uint8(120)
    case_ms("integers_to_floats", "MatMulIntegerToFloat", [u8(3, 300), i8(300, 5), scale, np.float32([0.1, 0.2, 0.3, 0.1, 0.5]), zero, np.int8([1, -2, 3, 0, 5]), f(5)])
    case_ms("dynamic_quantised", "DynamicQuantizeMatMul", [f(3, 70), i8(70, 5), np.float32([0.01]), np.int8([3]), f(5)])
    weights = [("constant", numbers(1, (301, 5), "int8")), ("constant", np.float32([0.1, 0.2, 0.3, 0.1, 0.5]))]
    case_ms("dynamic_packed", "DynamicQuantizeMatMul", [f(6, 301), *weights, ("constant", np.int8([1, -2, 3, 0, 5])), f(5)])
    packed = [u8(3, 301), weights[0], scale, weights[1], zero]
    case_ms("integers_packed", "MatMulIntegerToFloat", packed)
    three = [np.float32(0.03), np.uint8(128)]
    case_ms("qlinear_add", "QLinearAdd", [u8(2, 9), scale, zero, u8(9), *three, np.float32(0.05), np.uint8(100)])
    case_ms("qlinear_mul", "QLinearMul", [i8(2, 9), scale, np.int8(-4), i8(9), np.float32(0.03), np.int8(7), np.float32(0.05), np.int8(10)])
    case_ms("qlinear_sigmoid", "QLinearSigmoid", [u8(2, 9), np.float32(0.05), zero, np.float32(1 / 256), np.uint8(0)])
    case_ms("qlinear_leaky", "QLinearLeakyRelu", [u8(2, 9), scale, zero, np.float32(0.02), np.uint8(100)], alpha=0.2)
    case_ms("qlinear_average", "QLinearGlobalAveragePool", [u8(2, 3, 4, 4), scale, zero, np.float32(0.01), np.uint8(90)])
    case_ms("qlinear_concat", "QLinearConcat", [np.float32(0.05), np.uint8(110), u8(2, 3), scale, zero, u8(2, 4), *three], axis=1)


def integers():
    case("matmul_integer", "MatMulInteger", [u8(3, 700), i8(700, 9), np.uint8(7), np.int8([1, 2, 3, 4, 5, 6, 7, 8, 9])])
    case("conv_integer", "ConvInteger", [u8(1, 3, 6, 7), u8(4, 3, 3, 3), np.uint8(9), np.uint8(3)], pads=[1, 1, 1, 1])
    scale = [np.float32(0.02), np.uint8(120)]
    weights = [i8(5, 4, 3, 3), np.float32([0.01, 0.02, 0.03, 0.01, 0.02]), np.int8([0, 0, 0, 0, 0])]
    case("qlinear_conv", "QLinearConv", [u8(1, 4, 6, 9), *scale, *weights, np.float32(0.5), np.uint8(100), np.int32([10, -20, 30, 0, 500])], strides=[2, 1])
    case("qlinear_matmul", "QLinearMatMul", [u8(4, 30), *scale, i8(30, 6), np.float32(0.01), np.int8(3), np.float32(0.4), np.uint8(128)])
    case("quantise_axis", "QuantizeLinear", [f(2, 3, 5), np.float32([0.01, 0.02, 0.03]), np.int8([1, 2, -3])], axis=1)
    case("dequantise_last", "DequantizeLinear", [u8(4, 3), np.float32([0.01, 0.02, 0.03]), np.uint8([1, 2, 3])], axis=-1)


products()
convolutions()
normalisations()
recurrent()
microsoft()
integers()
save_file(kept, HERE / "operators.safetensors")
print(len({name.split("/")[0] for name in kept}), "cases")
