// Operators of expressions: arithmetic, comparison, attributes, items and slices, as Python has them.
import { cannotRender } from './errors.js';
import { format } from './format.js';
import { method } from './methods.js';
import type { Run } from './run.js';
import {
  asNumber,
  type Callable,
  characters,
  compare,
  contains,
  equal,
  Float,
  Instance,
  iterate,
  orUndefined,
  Tuple,
  tupleOf,
  typeName,
  Undefined,
  type Value,
} from './values.js';
import { str } from './writing.js';

type Operator = (run: Run, a: Value, b: Value) => Value;

const OPERATORS: Readonly<Record<string, Operator>> = {
  '+': (run, a, b) => run.made(sum(a, b)),
  '-': (_run, a, b) => arithmetic('-', a, b, (x, y) => x - y),
  '*': (run, a, b) => repeated(run, a, b) ?? repeated(run, b, a) ?? arithmetic('*', a, b, (x, y) => x * y),
  '/': (_run, a, b) => new Float(arithmeticNumber(arithmetic('/', a, nonZero(b), (x, y) => x / y))),
  '//': (_run, a, b) => arithmetic('//', a, nonZero(b), (x, y) => Math.floor(x / y)),
  '%': (run, a, b) =>
    typeof a === 'string'
      ? run.made(format(run, a, b))
      : arithmetic('%', a, nonZero(b), (x, y) => x - Math.floor(x / y) * y),
  '**': (_run, a, b) => power(a, b),
  '~': (run, a, b) => run.made(str(a) + str(b)),
  '==': (_run, a, b) => equal(a, b),
  '!=': (_run, a, b) => !equal(a, b),
  '<': (_run, a, b) => compare(a, b) < 0,
  '<=': (_run, a, b) => compare(a, b) <= 0,
  '>': (_run, a, b) => compare(a, b) > 0,
  '>=': (_run, a, b) => compare(a, b) >= 0,
  in: (_run, a, b) => contains(b, a),
  'not in': (_run, a, b) => !contains(b, a),
};

/**
 * The operators with two operands, by how they are written. A sum goes through the items alone, which it counts itself.
 */
export const BINARY: Readonly<Record<string, Operator>> = Object.fromEntries(
  Object.entries(OPERATORS).map(([name, compute]): [string, Operator] => [
    name,
    name === '+' ? compute : (run, a, b) => compute(run, run.paid(a), run.paid(b)),
  ]),
);

/** Looks an operator up. */
export function binary(operator: string): Operator {
  return BINARY[operator] as Operator;
}

/** `-value` and `+value`. */
export function signed(sign: string, value: Value): Value {
  return arithmetic(sign, value, 1, (x) => (sign === '-' ? -x : x));
}

/** A number as an int, or as a float where `like` is one. */
export function numberLike(number: number, ...like: Value[]): Value {
  return like.some((value) => value instanceof Float) ? new Float(number) : number;
}

function arithmetic(operator: string, a: Value, b: Value, compute: (x: number, y: number) => number): Value {
  const [x, y] = [asNumber(a), asNumber(b)];
  if (x === undefined || y === undefined) {
    throw cannotRender(`'${operator}' of values of types ${typeName(a)} and ${typeName(b)}`);
  }
  return numberLike(compute(x, y), a, b);
}

function arithmeticNumber(value: Value): number {
  return asNumber(value) ?? Number.NaN;
}

function nonZero(value: Value): Value {
  if (asNumber(value) === 0) throw cannotRender('division by zero');
  return value;
}

function power(a: Value, b: Value): Value {
  const result = arithmetic('**', a, b, (x, y) => x ** y);
  return arithmeticNumber(b) < 0 ? new Float(arithmeticNumber(result)) : result;
}

function sum(a: Value, b: Value): Value {
  if (typeof a === 'string' && typeof b === 'string') return a + b;
  if (Array.isArray(a) && Array.isArray(b) && a instanceof Tuple === b instanceof Tuple) {
    return a instanceof Tuple ? tupleOf([...a, ...b]) : [...a, ...b];
  }
  return arithmetic('+', a, b, (x, y) => x + y);
}

function repeated(run: Run, items: Value, times: Value): Value | undefined {
  if (typeof times !== 'number' || !(typeof items === 'string' || Array.isArray(items))) return undefined;
  const count = Math.max(times, 0);
  run.spend(items.length * count);
  if (typeof items === 'string') return items.repeat(count);
  const repeatedItems = Array.from({ length: count }, () => items).flat();
  return items instanceof Tuple ? tupleOf(repeatedItems) : repeatedItems;
}

/** `object.name`: a method, or else an item. */
export function attribute(run: Run, object: Value, name: string): Value {
  if (object instanceof Undefined) throw cannotRender(`'${object.name}' is undefined`);
  const found = object instanceof Instance ? object.attributes.get(name) : method(run, object, name);
  if (found !== undefined) return found;
  return orUndefined(object instanceof Map ? object.get(name) : undefined, name);
}

/** `object[key]`: an item, or else an attribute. */
export function item(run: Run, object: Value, key: Value): Value {
  if (object instanceof Undefined) throw cannotRender(`'${object.name}' is undefined`);
  if (object instanceof Map && object.has(key)) return object.get(key) as Value;
  if (typeof key === 'string') return attribute(run, object, key);
  const index = key instanceof Float ? undefined : asNumber(key);
  if (index === undefined || !(typeof object === 'string' || Array.isArray(object))) return new Undefined(str(key));
  const items = typeof object === 'string' ? characters(object) : object;
  return orUndefined(items.at(index), str(key));
}

/** `object[start:stop:step]`. */
export function slice(run: Run, object: Value, [start, stop, step]: [Value, Value, Value]): Value {
  if (object instanceof Undefined) throw cannotRender(`'${object.name}' is undefined`);
  if (typeof object !== 'string' && !Array.isArray(object)) return new Undefined('slice');
  const by = bound(step) ?? 1;
  if (by === 0) throw cannotRender('the step of a slice is 0');
  const items = iterate(object);
  const [lowest, highest] = by > 0 ? [0, items.length] : [-1, items.length - 1];
  const place = (value: Value, otherwise: number): number => {
    const index = bound(value);
    if (index === undefined) return otherwise;
    return Math.min(Math.max(index < 0 ? index + items.length : index, lowest), highest);
  };
  const first = place(start, by > 0 ? lowest : highest);
  const length = Math.max(Math.ceil((place(stop, by > 0 ? highest : lowest) - first) / by), 0);
  run.spend(length);
  const found = Array.from({ length }, (_none, index) => items[first + index * by] as Value);
  if (typeof object === 'string') return found.join('');
  return object instanceof Tuple ? tupleOf(found) : found;
}

function bound(value: Value): number | undefined {
  if (value === null) return undefined;
  if (typeof value !== 'number') throw cannotRender(`a slice up to a value of type ${typeName(value)}`);
  return value;
}

/** Calls what can be called. */
export function call(run: Run, callee: Value, args: Value[], named: Map<string, Value>): Value {
  const body: Callable | undefined =
    callee instanceof Instance ? callee.call : typeof callee === 'function' ? (callee as Callable) : undefined;
  if (body === undefined) {
    const name =
      callee instanceof Undefined ? `'${callee.name}', which is undefined,` : `a value of type ${typeName(callee)}`;
    throw cannotRender(`${name} cannot be called`);
  }
  run.spend(1);
  return run.made(body(args, named));
}
