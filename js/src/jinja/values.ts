// Values of templates: Python's types, as far as templates see them, and what Python's built-in functions say of them.
import { cannotRender } from './errors.js';

/** A float of Python's. Integers are numbers of JavaScript. */
export class Float {
  constructor(readonly value: number) {}
}

/** What a name or an attribute stands for that does not exist. */
export class Undefined {
  constructor(readonly name: string) {}
}

/** A tuple, which differs from a list in how it is written. */
export class Tuple extends Array<Value> {}

/** A tuple of these items. */
export function tupleOf(items: Value[]): Tuple {
  return Object.assign(new Tuple(), items);
}

/** Values to iterate over that are nothing else: what Python's generators and iterators are. */
export class Iterator {
  constructor(readonly items: Value[]) {}
}

/** What only has attributes, and may be called: a loop, a macro, a namespace. */
export class Instance {
  readonly attributes = new Map<string, Value>();
  call?: Callable;
}

export type Named = Map<string, Value>;
export type Callable = (args: Value[], named: Named) => Value;
export type Dict = Map<Value, Value>;
export type Value =
  | null
  | boolean
  | number
  | string
  | Float
  | Undefined
  | Iterator
  | Instance
  | Callable
  | Dict
  | Value[];

/** Plain data as a value of templates. */
export function toValue(data: unknown): Value {
  if (data === undefined) return new Undefined('undefined');
  if (typeof data === 'number') return Number.isSafeInteger(data) ? data : new Float(data);
  if (data === null || typeof data === 'string' || typeof data === 'boolean') return data;
  if (Array.isArray(data)) return data.map(toValue);
  if (typeof data !== 'object') throw cannotRender(`a ${typeof data} is not data`);
  return new Map(Object.entries(data).map(([key, value]) => [key, toValue(value)]));
}

/** The name of a value's type, for messages. */
export function typeName(value: Value): string {
  if (value === null) return 'None';
  if (Array.isArray(value)) return value instanceof Tuple ? 'tuple' : 'list';
  if (value instanceof Map) return 'dict';
  if (typeof value === 'object') return value.constructor.name.toLowerCase();
  if (typeof value === 'string') return 'str';
  return typeof value === 'function' ? 'function' : typeof value === 'number' ? 'int' : 'bool';
}

/** A value that may be missing. `None` is not. */
export function orUndefined(value: Value | undefined, name: string): Value {
  return value === undefined ? new Undefined(name) : value;
}

/** `bool(value)`. */
export function truth(value: Value): boolean {
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof Undefined) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  return typeof value === 'object' ? value !== null : Boolean(value);
}

/** A bool, an int or a float as a number; anything else as undefined. */
export function asNumber(value: Value): number | undefined {
  if (value instanceof Float) return value.value;
  return typeof value === 'number' || typeof value === 'boolean' ? Number(value) : undefined;
}

/** The characters of a text, each a code point. */
export function characters(text: string): string[] {
  return /[\ud800-\udfff]/.test(text) ? Array.from(text) : text.split('');
}

/** `len(value)`. */
export function length(value: Value): number {
  if (typeof value === 'string') return characters(value).length;
  if (Array.isArray(value)) return value.length;
  if (value instanceof Map) return value.size;
  if (value instanceof Undefined) return 0;
  throw cannotRender(`a value of type ${typeName(value)} has no length`);
}

/** `list(value)`. */
export function iterate(value: Value): Value[] {
  if (Array.isArray(value)) return value;
  if (typeof value === 'string') return characters(value);
  if (value instanceof Map) return [...value.keys()];
  if (value instanceof Iterator) return value.items;
  if (value instanceof Undefined) return [];
  throw cannotRender(`a value of type ${typeName(value)} is not iterable`);
}

/** `a == b`. */
export function equal(a: Value, b: Value): boolean {
  const [left, right] = [asNumber(a), asNumber(b)];
  if (left !== undefined || right !== undefined) return left === right;
  if (a instanceof Undefined) return b instanceof Undefined;
  if (Array.isArray(a) && Array.isArray(b)) {
    const alike = a instanceof Tuple === b instanceof Tuple && a.length === b.length;
    return alike && a.every((item, index) => equal(item, b[index] as Value));
  }
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && equal(value, b.get(key) as Value));
  }
  return a === b;
}

/** Whether `a` comes before `b`: a negative number, 0 or a positive one. */
export function compare(a: Value, b: Value): number {
  const [left, right] = [asNumber(a), asNumber(b)];
  if (left !== undefined && right !== undefined) return left - right;
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b);
  if (Array.isArray(a) && Array.isArray(b)) {
    const differs = a.findIndex((item, index) => index >= b.length || !equal(item, b[index] as Value));
    if (differs < 0 || differs >= b.length) return a.length - b.length;
    return compare(a[differs] as Value, b[differs] as Value);
  }
  throw cannotRender(`values of types ${typeName(a)} and ${typeName(b)} have no order`);
}

/** By code points, as Python does, where JavaScript compares units of UTF-16. */
function compareTexts(a: string, b: string): number {
  let index = 0;
  while (index < a.length && a[index] === b[index]) index += 1;
  const from = /[\udc00-\udfff]/.test(a[index] ?? b[index] ?? '') ? Math.max(index - 1, 0) : index;
  return (a.codePointAt(from) ?? -1) - (b.codePointAt(from) ?? -1);
}

/** `item in container`. */
export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string') {
    if (typeof item !== 'string') throw cannotRender(`a text cannot contain a value of type ${typeName(item)}`);
    return container.includes(item);
  }
  if (container instanceof Map) return container.has(item);
  return iterate(container).some((each) => equal(each, item));
}
