import { invalid } from './input.js';
import type { RawTensor, TensorType } from './types.js';

/** The array that the numbers of each type are kept in; a half float as its bits, a truth as 0 or 1. */
export interface TensorArrays {
  float32: Float32Array;
  float16: Uint16Array;
  float64: Float64Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int16: Int16Array;
  int8: Int8Array;
  uint64: BigUint64Array;
  uint32: Uint32Array;
  uint16: Uint16Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

/** A dense array of numbers, in the shape of transformers.js and onnxruntime. */
export interface Tensor<T extends TensorType = TensorType> {
  type: T;
  /** Its shape. */
  dims: number[];
  /** Its numbers, row after row. */
  data: TensorArrays[T];
}

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** What else may be handed in for a type, by name: a class that not every browser has cannot be named otherwise. */
const ALSO: Partial<Record<TensorType, string>> = { float16: 'Float16Array', uint8: 'Uint8ClampedArray' };

/** Larger dimensions than this do not cross the border to WebAssembly. */
const MAX_DIM = 2 ** 32 - 1;

/**
 * A tensor of the numbers `data`, which are not copied.
 *
 * @example
 * tensor('int64', [101n, 7592n, 102n], [1, 3]);
 *
 * @param type The type of its numbers.
 * @param data An array of the type's own class, or a plain one of numbers, bigints or booleans.
 * @param dims Its shape; one dimension where none is given.
 * @throws PilotLightError kind 'invalid-input' where these do not fit each other.
 */
export function tensor<T extends TensorType>(
  type: T,
  data: TensorArrays[T] | readonly (number | bigint | boolean)[],
  dims: readonly number[] = [data?.length ?? 0],
): Tensor<T> {
  if (!Object.hasOwn(ARRAYS, type))
    throw invalid(`'${String(type)}' is no type of numbers; known are ${Object.keys(ARRAYS).join(', ')}.`);
  const numbers = Array.isArray(data) ? fromList(type, data) : data;
  return { type, ...checkedNumbers('The tensor', { type, data: numbers, dims }) } as Tensor<T>;
}

/** `value`, which is called `what`, as a tensor if it is one. */
export function checkedTensor(what: string, value: unknown): Tensor {
  const given = value as Tensor | null | undefined;
  if (typeof given !== 'object' || given === null) throw invalid(`${what} must be a tensor.`);
  if (!Object.hasOwn(ARRAYS, given.type)) throw invalid(`${what} has the type '${String(given.type)}', which is none.`);
  return { type: given.type, ...checkedNumbers(what, given) } as Tensor;
}

/** The bytes of a tensor as they are now, whatever its owner does with it afterwards. */
export function toRaw(name: string, { type, dims, data }: Tensor): RawTensor {
  return { name, type, dims: [...dims], bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice() };
}

/** The tensor of `bytes`, which it goes on using. */
export function fromRaw({ type, dims, bytes }: RawTensor): Tensor {
  return { type, dims: Array.from(dims), data: new ARRAYS[type](bytes.buffer) };
}

function fromList(type: TensorType, list: readonly (number | bigint | boolean)[]): TensorArrays[TensorType] {
  if (type === 'float16')
    throw invalid('The numbers of a float16 tensor must come in a Uint16Array, as their bits, or in a Float16Array.');
  const known = list.findIndex((item) => !['number', 'bigint', 'boolean'].includes(typeof item));
  if (known >= 0) throw invalid(`Number ${known} of the tensor is a ${typeof list[known]}.`);
  try {
    if (type === 'int64') return BigInt64Array.from(list, BigInt);
    if (type === 'uint64') return BigUint64Array.from(list, BigInt);
    return (ARRAYS[type] as Float32ArrayConstructor).from(list, Number) as unknown as TensorArrays[TensorType];
  } catch (cause) {
    throw invalid(`The numbers of the tensor are not all ${type}.`, cause);
  }
}

function checkedNumbers(
  what: string,
  { type, data, dims }: { type: TensorType; data: unknown; dims: unknown },
): Pick<Tensor, 'data' | 'dims'> {
  const { name } = ARRAYS[type];
  // By its tag, since an array may come from another frame.
  const tag = ArrayBuffer.isView(data) ? ((data as Uint8Array)[Symbol.toStringTag] as string) : undefined;
  if (tag !== name && (tag === undefined || tag !== ALSO[type]))
    throw invalid(
      `${what} is ${type}, whose numbers come in a ${name}, not in ${tag === undefined ? `a ${typeof data}` : `a ${tag}`}.`,
    );
  const { length } = data as Uint8Array;
  if (!Array.isArray(dims) || !dims.every((dim) => Number.isInteger(dim) && dim >= 0 && dim <= MAX_DIM)) {
    throw invalid(`${what} has the shape ${JSON.stringify(dims)}; a shape is an array of whole numbers.`);
  }
  const expected = (dims as number[]).reduce((product, dim) => product * dim, 1);
  if (expected !== length)
    throw invalid(`${what} has ${length} numbers; its shape [${dims.join(', ')}] asks for ${expected}.`);
  return { data: data as TensorArrays[TensorType], dims: [...(dims as number[])] };
}
