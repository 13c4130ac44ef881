// Concatenation of embeddings.
import type { Features } from '../types.js';

/**
 * The embeddings of several batches as those of one. Unpooled batches differ in their length in
 * tokens; the shorter ones are padded with zeros.
 */
export function concatFeatures(parts: Features[]): Features {
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
    for (let i = 0; i < count; i += 1, row += 1) {
      data.set(part.data.subarray(i * length, (i + 1) * length), row * stride);
    }
  }
  return { dims: [rows, ...inner], data };
}
