// Tensors of a page: dense arrays in the form of transformers.js and onnxruntime.
import { describe, tagOf } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import type { RawTensor, TensorType } from '../types.js';

/** The array of each type; a half float is stored as its bits, a boolean as 0 or 1. */
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
  string: string[];
}

/** A dense array of numbers or strings. */
export interface Tensor<T extends TensorType = TensorType> {
  type: T;
  /** Its shape. */
  dims: number[];
  /** Its elements, row after row. */
  data: TensorArrays[T];
}

/** The types of numbers. */
type NumberType = Exclude<TensorType, 'string'>;

/** The class of the array of each type of numbers. */
export const ARRAYS = {
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
} as const satisfies Record<NumberType, unknown>;

const TYPES = [...Object.keys(ARRAYS), 'string'];

/** Other accepted classes, by name: a class that not every browser has cannot be referred to otherwise. */
const ALSO_ACCEPTED: Partial<Record<TensorType, string>> = { float16: 'Float16Array', uint8: 'Uint8ClampedArray' };

/** Larger dimensions than this cannot be passed to WebAssembly. */
const MAX_DIM = 2 ** 32 - 1;

/**
 * A tensor of the elements `data`, which are not copied.
 *
 * @example
 * tensor('int64', [101n, 7592n, 102n], [1, 3]);
 *
 * @param type The type of its elements.
 * @param data An array of the type's own class, or a plain one of numbers, bigints or booleans, or of strings for
 * `'string'`.
 * @param dims Its shape; one dimension by default.
 * @throws PilotLightError kind 'invalid-input' where these do not fit each other.
 */
export function tensor<T extends TensorType>(
  type: T,
  data: TensorArrays[T] | readonly (number | bigint | boolean)[] | readonly string[],
  dims: readonly number[] = [data?.length ?? 0],
): Tensor<T> {
  if (!TYPES.includes(type)) {
    throw invalidInput(`The tensor type must be one of ${TYPES.join(', ')}, got '${String(type)}'.`);
  }
  const elements = Array.isArray(data) && type !== 'string' ? fromList(type as NumberType, data) : data;
  return { type, ...checkElements('The tensor', { type, data: elements, dims }) } as Tensor<T>;
}

/** `value` as a tensor if it is one; `what` names it in messages. */
export function checkTensor(what: string, value: unknown): Tensor {
  const given = value as Tensor | null | undefined;
  if (typeof given !== 'object' || given === null)
    throw invalidInput(`${what} must be a tensor, got ${describe(value)}.`);
  if (!TYPES.includes(given.type)) {
    throw invalidInput(`${what} has the type '${String(given.type)}', expected one of ${TYPES.join(', ')}.`);
  }
  return { type: given.type, ...checkElements(what, given) } as Tensor;
}

/** The elements of a tensor as they are now, whatever its owner does with it afterwards. */
export function toRaw(name: string, { type, dims, data }: Tensor): RawTensor {
  if (Array.isArray(data)) return { name, type, dims: [...dims], texts: [...data] };
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return { name, type, dims: [...dims], bytes };
}

/** The tensor of `bytes` or `texts`, which it goes on using. */
export function fromRaw({ type, dims, bytes, texts = [] }: RawTensor): Tensor {
  const data = type === 'string' ? texts : new ARRAYS[type](bytes?.buffer as ArrayBuffer);
  return { type, dims: Array.from(dims), data };
}

function fromList(type: NumberType, list: readonly unknown[]): TensorArrays[NumberType] {
  if (type === 'float16') {
    throw invalidInput('The elements of a float16 tensor must be a Uint16Array of their bits or a Float16Array.');
  }
  const wrong = list.findIndex((item) => !['number', 'bigint', 'boolean'].includes(typeof item));
  if (wrong >= 0) {
    const got = describe(list[wrong]);
    throw invalidInput(`Element ${wrong} of the tensor must be a number, a bigint or a boolean, got ${got}.`);
  }
  try {
    if (type === 'int64') return BigInt64Array.from(list as number[], BigInt);
    if (type === 'uint64') return BigUint64Array.from(list as number[], BigInt);
    return (ARRAYS[type] as Float32ArrayConstructor).from(
      list as number[],
      Number,
    ) as unknown as TensorArrays[NumberType];
  } catch (cause) {
    throw invalidInput(`The elements of the tensor are not all ${type}.`, cause);
  }
}

function checkElements(
  what: string,
  { type, data, dims }: { type: TensorType; data: unknown; dims: unknown },
): Pick<Tensor, 'data' | 'dims'> {
  if (type === 'string') checkStrings(what, data);
  else checkNumbers(what, type, data);
  const { length } = data as Uint8Array;
  if (!Array.isArray(dims) || !dims.every((dim) => Number.isInteger(dim) && dim >= 0 && dim <= MAX_DIM)) {
    throw invalidInput(`${what} must have a shape of whole numbers, got ${JSON.stringify(dims)}.`);
  }
  const expected = (dims as number[]).reduce((product, dim) => product * dim, 1);
  if (expected !== length) {
    throw invalidInput(`${what} has ${length} elements; its shape [${dims.join(', ')}] asks for ${expected}.`);
  }
  return { data: data as TensorArrays[TensorType], dims: [...(dims as number[])] };
}

function checkNumbers(what: string, type: NumberType, data: unknown): void {
  const { name } = ARRAYS[type];
  // Compared by tag, since an array may come from another frame.
  if (ArrayBuffer.isView(data) && [name, ALSO_ACCEPTED[type]].includes(tagOf(data))) return;
  throw invalidInput(`${what} is ${type}, whose elements must be a ${name}, got ${describe(data)}.`);
}

function checkStrings(what: string, data: unknown): void {
  if (!Array.isArray(data)) {
    throw invalidInput(`${what} is string, whose elements must be an array of strings, got ${describe(data)}.`);
  }
  const wrong = data.findIndex((item) => typeof item !== 'string');
  if (wrong >= 0) throw invalidInput(`Element ${wrong} of ${what} must be a string, got ${describe(data[wrong])}.`);
}
