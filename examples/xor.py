# Makes xor.onnx: a network of two layers whose weights are written down here and not trained.
#
#     python -m venv venv && venv/bin/pip install onnx==1.23.2 && venv/bin/python xor.py
import onnx
from onnx import TensorProto, helper

graph = helper.make_graph(
    [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "w2"], ["y"]),
    ],
    "xor",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])],
    [
        # hidden = [a + b, max(a + b - 1, 0)]
        helper.make_tensor("w1", TensorProto.FLOAT, [2, 2], [1, 1, 1, 1]),
        helper.make_tensor("b1", TensorProto.FLOAT, [2], [0, -1]),
        # y = (a + b) - 2 max(a + b - 1, 0), which is a xor b for 0 and 1
        helper.make_tensor("w2", TensorProto.FLOAT, [2, 1], [1, -2]),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
onnx.checker.check_model(model)
onnx.save(model, "xor.onnx")
