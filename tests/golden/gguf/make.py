"""Makes a GGUF file by the format's own library, and what the library reads in it. See README.md."""

import numpy as np
from gguf import GGMLQuantizationType as Type, GGUFWriter
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

SHAPE = (19, 96)

writer = GGUFWriter("blocks.gguf", "none")
writer.add_name("Matrices of blocks")
writer.add_array("words", ["a", "few", "words"])
writer.add_custom_alignment(64)
random = np.random.default_rng(5)
numbers = {}
for kind in (Type.Q4_0, Type.Q4_1, Type.Q8_0):
    weights = (random.standard_normal(SHAPE) * 0.1 + 0.03).astype(np.float32)
    packed = quantize(weights, kind)
    writer.add_tensor(kind.name, packed, raw_dtype=kind)
    numbers[kind.name] = dequantize(packed, kind)
writer.add_tensor("floats", random.standard_normal(7).astype(np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(numbers, "blocks.safetensors")
