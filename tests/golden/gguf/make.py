"""Makes a GGUF file by the format's own library, and what the library reads in it. See README.md."""

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Type, GGUFWriter
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

ROWS = 5

writer = GGUFWriter("blocks.gguf", "none")
writer.add_name("Matrices of blocks")
writer.add_array("words", ["a", "few", "words"])
writer.add_custom_alignment(64)
random = np.random.default_rng(5)
numbers = {}


def add(kind, packed):
    writer.add_tensor(kind.name, packed, raw_dtype=kind)
    numbers[kind.name] = dequantize(packed, kind)


def scales(count):
    """Of 16 bits, as the bytes that blocks have them in."""
    return (random.standard_normal(count) * 0.01).astype(np.float16).view(np.uint8).reshape(-1, 2)


for kind in (Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0):
    add(kind, quantize((random.standard_normal((ROWS, 96)) * 0.1 + 0.03).astype(np.float32), kind))
# The library does not quantise these, so their integers are random bytes.
for kind, halves in ((Type.Q4_K, (0, 2)), (Type.Q5_K, (0, 2)), (Type.Q6_K, (208,))):
    packed = random.integers(0, 256, (ROWS * 2, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
    for at in halves:
        packed[:, at : at + 2] = scales(ROWS * 2)
    add(kind, packed.reshape(ROWS, -1))
floats = random.standard_normal((ROWS, 7)).astype(np.float32)
for kind in (Type.F16, Type.BF16, Type.F32):
    add(kind, quantize(floats, kind))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(numbers, "blocks.safetensors")
