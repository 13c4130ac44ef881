"""Regenerates graphs.safetensors (see README.md): python make.py"""

from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, parser
from safetensors.numpy import save_file

HERE = Path(__file__).resolve().parent
TYPES = {
    "float32": TensorProto.FLOAT,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
}
kept = {}


def case(name, model, feeds, run_as=None, expected=None):
    """A whole model in ONNX's text form or as a message, and what onnxruntime makes of `feeds`. Where it does not read
    the model, it runs `run_as` instead; where it runs neither, `expected` is what the specification says."""
    model = parser.parse_model(model) if isinstance(model, str) else model
    results = expected or run(run_as or model, feeds)
    for port, array in feeds.items():
        kept[f"{name}/in/{port}"] = np.asarray(array, order="C")
    for port, array in zip(model.graph.output, results):
        kept[f"{name}/out/{port.name}"] = np.asarray(array, order="C")
    kept[f"{name}/model"] = np.frombuffer(model.SerializeToString(), np.uint8)


def run(model, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def floats(*shape):
    at = np.arange(int(np.prod(shape)))
    return (at * 37 % 23 / 8 - 1).astype(np.float32).reshape(shape)


def functions():
    header = '<ir_version: 8, opset_import: ["" : 17, "own" : 1]>'
    # Attributes by reference: given, with a default, and left out.
    case("function_attributes", header + """
        g (float[2,6] x) => (float[2,6] y, float[2,6] z) {
            y = own.f <alpha: float = 0.25> (x)
            z = own.f <alpha: float = 0.5, axis: int = 0> (x)
        }
        <domain: "own", opset_import: ["" : 17]>
        f <alpha, axis: int = 1, epsilon> (a) => (b) {
            t = LeakyRelu <alpha: float = @alpha> (a)
            u = Softmax <axis: int = @axis> (t)
            b = Elu <alpha: float = @epsilon> (u)
        }
    """, {"x": floats(2, 6)})
    # A function within a function, whose attribute is that of the outer call; names that clash with the graph's.
    case("function_nested", header + """
        g (float[2,3] x, float[2,3] t) => (float[2,3] y) {
            a = own.outer <factor: float = 3.0> (x, t)
            y = own.outer <factor: float = 2.0> (a, x)
        }
        <domain: "own", opset_import: ["" : 17, "own" : 1]>
        outer <factor> (x, y) => (z) {
            a = own.inner <slope: float = @factor> (y)
            t = Sub (x, a)
            z = own.inner <slope: float = @factor> (t)
        }
        <domain: "own", opset_import: ["" : 17]>
        inner <slope> (t) => (y) {
            a = LeakyRelu <alpha: float = @slope> (t)
            y = Mul (a, a)
        }
    """, {"x": floats(2, 3), "t": floats(2, 3) * 2})
    # Subgraphs in a function see the function's names, and refer to its attributes.
    case("function_branches", header + """
        g (float[4] x, bool c) => (float[4] y, float[4] z) {
            y = own.f <k: float = 2.0> (x, c)
            n = Not (c)
            z = own.f <k: float = 3.0> (y, n)
        }
        <domain: "own", opset_import: ["" : 17]>
        f <k> (x, flag) => (y) {
            t = Neg (x)
            y = If (flag) <
                then_branch = yes () => (float[4] r) { r = LeakyRelu <alpha: float = @k> (t) },
                else_branch = no () => (float[4] r) { s = Abs (t) r = Elu <alpha: float = @k> (x) }
            >
        }
    """, {"x": floats(4), "c": np.array(True)})
    # A function has its own operator set, which onnxruntime passes over: before version 13, Softmax flattens all
    # dimensions from the axis on.
    softmax = """<ir_version: 8, opset_import: ["" : %d]>
        g (float[2,3,4] x) => (float[2,3,4] y) { y = Softmax <axis: int = 1> (x) }
    """
    x = {"x": floats(2, 3, 4)}
    case("function_opset", header + """
        g (float[2,3,4] x) => (float[2,3,4] y, float[2,3,4] z) {
            y = own.f (x)
            z = Softmax <axis: int = 1> (x)
        }
        <domain: "own", opset_import: ["" : 11]>
        f (x) => (y) { y = Softmax <axis: int = 1> (x) }
    """, x, expected=[run(parser.parse_model(softmax % version), x)[0] for version in (11, 17)])
    # Inputs and outputs that a call leaves out.
    case("function_optional", header + """
        g (float[5] x, float high) => (float[5] y, float[5] z, float[5] w) {
            y, unused = own.limit (x, , high)
            z, first = own.limit (x)
            w, second = own.limit (x, high)
        }
        <domain: "own", opset_import: ["" : 17]>
        limit (x, low, high) => (y, negative) {
            y = Clip (x, low, high)
            negative = Neg (y)
        }
    """, {"x": floats(5), "high": np.array(0.3, np.float32)})
    # Outputs that are inputs under another name.
    case("function_identity", header + """
        g (float[3] x) => (float[3] y, float[3] z, float[3] w) {
            y, z = own.f (x)
            t = Exp (z)
            w, v = own.f (t)
        }
        <domain: "own", opset_import: ["" : 17]>
        f (a) => (c, b) { c = Identity (a) b = Abs (a) }
    """, {"x": floats(3)})
    # A function that no node uses may have operators that nobody knows.
    case("function_unused", header + """
        g (float[3] x) => (float[3] y) { y = Relu (x) }
        <domain: "own", opset_import: ["" : 17, "elsewhere" : 1]>
        f (a) => (b) { b = elsewhere.Frobnicate (a) }
    """, {"x": floats(3)})
    # Loops in functions, and functions in loops.
    case("function_loops", header + """
        g (float[3] x, int64 n) => (float[3] y, float[k,3] all) {
            y, all = own.repeat (x, n)
        }
        <domain: "own", opset_import: ["" : 17, "own" : 1]>
        repeat (start, count) => (last, each) {
            last, each = Loop (count, , start) <
                body = b (int64 i, bool c, float[3] v) => (bool d, float[3] w, float[3] s) {
                    d = Identity (c)
                    w = own.step (v)
                    s = Mul (w, start)
                }
            >
        }
        <domain: "own", opset_import: ["" : 17]>
        step (v) => (w) { half = Constant <value_float: float = 0.5> () w = Mul (v, half) }
    """, {"x": floats(3), "n": np.array(3)})
    # Two functions of one name.
    overloaded = parser.parse_model(header + """
        g (float[3] x) => (float[3] y, float[3] z) { y = own.f (x) z = own.f (x) }
        <domain: "own", opset_import: ["" : 17]>
        f (a) => (b) { b = Abs (a) }
        <domain: "own", opset_import: ["" : 17]>
        f (a) => (b) { b = Neg (a) }
    """)
    overloaded.ir_version = 10
    overloaded.graph.node[1].overload = overloaded.functions[1].overload = "negative"
    case("function_overload", overloaded, {"x": floats(3)})


def loops():
    header = '<ir_version: 8, opset_import: ["" : 17]>'

    def loop(name, body, n, go, x, ports, results, known=None):
        """`known` are the names of dimensions with their sizes, which onnxruntime takes for 0 where they have only names."""
        text = header + f"""
            g (int64 n, bool go, {ports}) => ({results}) {{ last, all = Loop (n, go, x) < body = {body} > }}
        """
        fixed = text
        for dim, size in (known or {}).items():
            fixed = fixed.replace(f"[{dim},", f"[{size},")
        case(name, text, {"n": np.array(n), "go": np.array(go), "x": x}, known and parser.parse_model(fixed))

    fixed = """b (int64 i, bool c, float[2] v) => (bool d, float[2] w, float[2] s) {
        d = Identity (c) w = Add (v, v) s = Neg (v) }"""
    two = "float[2] x", "float[2] last, float[k,2] all"
    loop("loop_runs", fixed, 2, True, floats(2), *two)
    loop("loop_no_trips", fixed, 0, True, floats(2), *two)
    loop("loop_negative_trips", fixed, -3, True, floats(2), *two)
    loop("loop_never_goes", fixed, 5, False, floats(2), *two)
    scalars = """b (int64 i, bool c, float[2] v) => (bool d, float[2] w, int64 s) {
        d = Identity (c) w = Add (v, v) s = Identity (i) }"""
    loop("loop_scalars", scalars, 0, True, floats(2), "float[2] x", "float[2] last, int64[k] all")
    free = """b (int64 i, bool c, float[rows,3] v) => (bool d, float[rows,3] w, float[%s,3] s) {
        d = Identity (c) w = Add (v, v) s = Neg (w) }"""
    free_ports = "float[m,3] x", "float[p,3] last, float[k,q,3] all"
    loop("loop_size_of_a_state", free % "rows", 0, True, floats(4, 3), *free_ports, {"rows": 4, "m": 4})
    loop("loop_size_of_an_input", free % "m", 0, True, floats(4, 3), *free_ports, {"rows": 4, "m": 4})
    unknown = """b (int64 i, bool c, float[2] v) => (bool d, float[2] w, int64[found,1] s) {
        d = Identity (c) w = Add (v, v) t = NonZero (v) s = Transpose (t) }"""
    loop("loop_unknown_size", unknown, 0, True, floats(2), "float[2] x", "float[2] last, int64[k,q,1] all")

    def scan(name, x, attributes="", expected=None):
        case(name, header + f"""
            g (float[2] start, float[{",".join(map(str, x.shape))}] x) => (float[2] last, float[p,q] all) {{
                last, all = Scan <num_scan_inputs: int = 1 {attributes}, body = b (float[2] v, float[2] e) => (float[2] w, float[2] s) {{
                    w = Add (v, e) s = Mul (v, e)
                }}> (start, x)
            }}
        """, {"start": floats(2), "x": x}, expected=expected)

    scan("scan_runs", floats(3, 2))
    scan("scan_nothing", floats(0, 2), expected=[floats(2), floats(0, 2)])
    scan("scan_nothing_on_other_axes", floats(2, 0), ", scan_input_axes: ints = [1], scan_output_axes: ints = [1]", [floats(2), floats(2, 0)])


def old_opsets():
    """`now` is what an operator of an old operator set is in the current one."""

    def old(name, opset, ports, results, then, now, feeds):
        text = '<ir_version: 3, opset_import: ["" : %d]> g (' + ports + ") => (" + results + ") {"
        current = parser.parse_model(text % 17 + now + "}")
        current.ir_version = 8
        case(f"old_{name}", parser.parse_model(text % opset + then + "}"), feeds, current)

    three = {"x": floats(2, 3, 4), "b": floats(3)}
    ports, result = "float[2,3,4] x, float[3] b", "float[2,3,4] y"
    column = "a = Constant <value_ints: ints = [1]> () c = Unsqueeze (b, a)"
    for name, op in [("add", "Add"), ("sub", "Sub"), ("mul", "Mul"), ("div", "Div")]:
        old(f"{name}_axis", 6, ports, result, f"y = {op} <axis: int = 1, broadcast: int = 1> (x, b)", f"{column} y = {op} (x, c)", three)
    old("add_consumed", 1, ports, result, "y = Add <axis: int = -2, broadcast: int = 1, consumed_inputs: ints = [0, 0]> (x, b)", f"{column} y = Add (x, c)", three)
    two = {"x": floats(2, 3, 4), "b": floats(2, 3)}
    old("pow_axis_0", 6, "float[2,3,4] x, float[2,3] b", result, "t = Abs (x) y = Pow <axis: int = 0, broadcast: int = 1> (t, b)", "a = Constant <value_ints: ints = [2]> () c = Unsqueeze (b, a) t = Abs (x) y = Pow (t, c)", two)
    old("mul_suffix", 6, "float[2,3,4] x, float[3,4] b", result, "y = Mul <broadcast: int = 1> (x, b)", "y = Mul (x, b)", {"x": floats(2, 3, 4), "b": floats(3, 4)})
    old("greater_axis", 1, ports, "bool[2,3,4] y", "y = Greater <axis: int = 1, broadcast: int = 1> (x, b)", f"{column} y = Greater (x, c)", three)
    flags = {"x": floats(2, 3) > 0, "b": floats(2) > -0.5}
    old("or_axis", 1, "bool[2,3] x, bool[2] b", "bool[2,3] y", "y = Or <axis: int = 0, broadcast: int = 1> (x, b)", f"{column} y = Or (x, c)", flags)
    old("prelu_channels", 6, "float[2,3,4] x, float[3] b", result, "y = PRelu (x, b)", f"{column} y = PRelu (x, c)", three)
    old("prelu_shared", 1, "float[2,3,4] x, float[1] b", result, "y = PRelu <consumed_inputs: ints = [0, 0]> (x, b)", "y = PRelu (x, b)", {"x": floats(2, 3, 4), "b": floats(1)})
    one, rows = {"x": floats(2, 6)}, "float[2,6] x"
    old("reshape", 1, rows, "float[3,4] y", "y = Reshape <shape: ints = [3, -1]> (x)", "s = Constant <value_ints: ints = [3, -1]> () y = Reshape (x, s)", one)
    old("concat", 3, rows, "float[2,12] y", "y = Concat (x, x)", "y = Concat <axis: int = 1> (x, x)", one)
    old("cast", 5, rows, "int32[2,6] y", 'y = Cast <to: string = "INT32"> (x)', "y = Cast <to: int = 6> (x)", one)
    old("cast_int", 6, rows, "int64[2,6] y", "y = Cast <to: int = 7> (x)", "y = Cast <to: int = 7> (x)", one)
    old("pad", 1, rows, "float[3,9] y", "y = Pad <paddings: ints = [0, 1, 1, 2], value: float = 0.5> (x)", "p = Constant <value_ints: ints = [0, 1, 1, 2]> () v = Constant <value_float: float = 0.5> () y = Pad (x, p, v)", one)
    old("split", 1, rows, "float[2,2] y, float[2,4] z", "y, z = Split <axis: int = 1, split: ints = [2, 4]> (x)", "s = Constant <value_ints: ints = [2, 4]> () y, z = Split <axis: int = 1> (x, s)", one)
    old("tile", 1, rows, "float[2,18] y", "t = Constant <value: tensor = float[1] {3}> () a = Constant <value: tensor = float[1] {1}> () y = Tile (x, t, a)", "r = Constant <value_ints: ints = [1, 3]> () y = Tile (x, r)", one)
    old("dropout", 6, rows, "float[2,6] y", "y = Dropout <is_test: int = 1, ratio: float = 0.3> (x)", "y = Identity (x)", one)
    old("selu", 1, rows, "float[2,6] y", "y = Selu <consumed_inputs: ints = [0]> (x)", "y = Selu <alpha: float = 1.6732, gamma: float = 1.0507> (x)", one)
    old("topk", 1, rows, "float[2,2] y, int64[2,2] z", "y, z = TopK <k: int = 2> (x)", "k = Constant <value_ints: ints = [2]> () y, z = TopK (x, k)", one)
    norm = {"x": floats(2, 3, 2, 2), "b": floats(3), "v": np.abs(floats(3)) + 0.5}
    old("batch_norm", 5, "float[2,3,2,2] x, float[3] b, float[3] v", "float[2,3,2,2] y", "y = BatchNormalization <is_test: int = 1, spatial: int = 1, consumed_inputs: ints = [0, 0, 0, 1, 1], epsilon: float = 0.01> (x, v, b, b, v)", "y = BatchNormalization <epsilon: float = 0.01> (x, v, b, b, v)", norm)
    image = {"x": floats(1, 2, 3, 4)}
    sizes = "s = Constant <value_floats: floats = [1.0, 1.0, 2.0, 3.0]> ()"
    old("upsample", 1, "float[1,2,3,4] x", "float[1,2,6,12] y", 'y = Upsample <height_scale: float = 2.0, width_scale: float = 3.0, mode: string = "nearest"> (x)', sizes + ' y = Resize <coordinate_transformation_mode: string = "asymmetric", nearest_mode: string = "floor"> (x, , s)', image)
    old("upsample_bilinear", 1, "float[1,2,3,4] x", "float[1,2,6,12] y", 'y = Upsample <height_scale: float = 2.0, width_scale: float = 3.0, mode: string = "bilinear"> (x)', sizes + ' y = Resize <coordinate_transformation_mode: string = "asymmetric", mode: string = "linear"> (x, , s)', image)
    old("lp_pool", 1, "float[1,2,3,4] x", "float[1,2,1,1] y", "y = GlobalLpPool <p: float = 2.0> (x)", "y = GlobalLpPool <p: int = 2> (x)", image)
    gemm = {"x": floats(2, 6), "w": floats(6, 3), "b": floats(3)}
    old("gemm", 6, "float[2,6] x, float[6,3] w, float[3] b", "float[2,3] y", "y = Gemm <broadcast: int = 1, alpha: float = 0.5> (x, w, b)", "y = Gemm <alpha: float = 0.5> (x, w, b)", gemm)
    # Before version 2 of the format, an attribute did not name its type.
    untyped = parser.parse_model('<ir_version: 1, opset_import: ["" : 1]> g (float[2,6] x) => (float[12] y) { t = LeakyRelu <alpha: float = 0.3> (x) y = Reshape <shape: ints = [12]> (t) }')
    for node in untyped.graph.node:
        for attribute in node.attribute:
            attribute.ClearField("type")
    typed = parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> g (float[2,6] x) => (float[12] y) { t = LeakyRelu <alpha: float = 0.3> (x) s = Constant <value_ints: ints = [12]> () y = Reshape (t, s) }')
    case("old_untyped_attributes", untyped, one, typed)


functions()
loops()
old_opsets()
save_file(kept, HERE / "graphs.safetensors")
print(len({name.split("/")[0] for name in kept}), "cases")
