import type { Tensor } from './tensor.js';
import type { Features } from './types.js';

/** `features` as a tensor. */
export function toTensor({ dims, data }: Features): Tensor<'float32'> {
  return { type: 'float32', dims: Array.from(dims), data };
}

/**
 * The features of several slices as those of one batch. Unpooled slices differ in their length in
 * tokens; the shorter ones are filled up with zeros, as padding is.
 */
export function joinFeatures(parts: Features[]): Features {
  const [first] = parts;
  if (first === undefined) return { dims: [0, 0], data: new Float32Array(0) };
  if (parts.length === 1) return first;
  const rows = parts.reduce((sum, part) => sum + (part.dims[0] ?? 0), 0);
  const inner = first.dims.slice(1);
  if (inner.length > 1) inner[0] = Math.max(...parts.map((part) => part.dims[1] ?? 0));
  const stride = inner.reduce((product, size) => product * size, 1);
  const data = new Float32Array(rows * stride);
  let row = 0;
  for (const part of parts) {
    const count = part.dims[0] ?? 0;
    const length = count === 0 ? 0 : part.data.length / count;
    for (let i = 0; i < count; i += 1, row += 1)
      data.set(part.data.subarray(i * length, (i + 1) * length), row * stride);
  }
  return { dims: [rows, ...inner], data };
}
