// Filters that sort, group and compare the items of lists and mappings.
import { bind } from './arguments.js';
import { cannotRender } from './errors.js';
import { item } from './operators.js';
import type { Filter, Run } from './run.js';
import {
  compare,
  equal,
  Instance,
  Iterator,
  iterate,
  truth,
  tupleOf,
  typeName,
  Undefined,
  type Value,
} from './values.js';
import { str } from './writing.js';

/** Arguments by their order. */
export type Given = (Value | undefined)[];

/** A filter of items, with arguments by name. */
export function takes(names: string[], body: (run: Run, items: Value[], args: Given) => Value): Filter {
  return (run, value, args, named) => {
    const items = iterate(value);
    run.spend(items.length);
    return body(run, items, bind('a filter', names, args, named));
  };
}

/** The attribute of an item that is asked for: `a.b` and `0` too, or the item itself. */
export function attributeOf(run: Run, path: Value | undefined, otherwise?: Value): (value: Value) => Value {
  if (path === undefined || path === null) return (value) => value;
  const keys = str(path).split('.');
  return (value) => {
    const found = keys.reduce<Value>((at, key) => item(run, at, /^\d+$/.test(key) ? Number(key) : key), value);
    return found instanceof Undefined && otherwise !== undefined ? otherwise : found;
  };
}

/** A value as it is compared where case does not matter. */
function folded(caseSensitive: Value | undefined): (value: Value) => Value {
  return (value) => (typeof value === 'string' && !truth(caseSensitive ?? false) ? value.toLowerCase() : value);
}

/** Sorted by several attributes, with commas between, if asked for. */
export function sort(run: Run, items: Value[], [reverse = false, caseSensitive, attribute = null]: Given): Value[] {
  const fold = folded(caseSensitive);
  const paths = attribute === null ? [null] : str(attribute).split(',');
  const parts = paths.map((path) => attributeOf(run, path));
  const keyed = items.map((value) => ({ value, keys: parts.map((part) => fold(part(value))) }));
  run.spend(items.length * Math.log2(items.length + 1));
  const sign = truth(reverse) ? -1 : 1;
  return keyed.sort((a, b) => sign * compare(a.keys, b.keys)).map(({ value }) => value);
}

export function dictsort(run: Run, value: Value, [caseSensitive, by = 'key', reverse = false]: Given): Value[] {
  if (!(value instanceof Map))
    throw cannotRender(`dictsort: expected a mapping, got a value of type ${typeName(value)}`);
  const place = by === 'value' ? 1 : 0;
  return sort(
    run,
    Array.from(value, (pair) => tupleOf(pair)),
    [reverse, caseSensitive, String(place)],
  );
}

export function extreme(sign: number): Filter {
  return takes(['case_sensitive', 'attribute'], (run, items, [caseSensitive, attribute]) => {
    const fold = folded(caseSensitive);
    const key = attributeOf(run, attribute);
    if (items.length === 0) return new Undefined('an item of an empty list');
    return items.reduce((best, value) => (sign * compare(fold(key(value)), fold(key(best))) > 0 ? value : best));
  });
}

export function unique(run: Run, items: Value[], [caseSensitive, attribute]: Given): Value {
  const fold = folded(caseSensitive);
  const key = attributeOf(run, attribute);
  const seen: Value[] = [];
  const texts = new Set<Value>();
  const fresh = items.filter((value) => {
    const by = fold(key(value));
    run.spend(typeof by === 'string' ? 0 : seen.length);
    if (typeof by === 'string' ? texts.has(by) : seen.some((each) => equal(each, by))) return false;
    if (typeof by === 'string') texts.add(by);
    else seen.push(by);
    return true;
  });
  return new Iterator(fresh);
}

export function groupby(run: Run, items: Value[], [attribute, otherwise, caseSensitive]: Given): Value {
  const key = attributeOf(run, attribute, otherwise);
  const fold = folded(caseSensitive);
  const groups: { by: Value; list: Value[] }[] = [];
  for (const value of sort(run, items, [false, caseSensitive, attribute])) {
    const last = groups.at(-1);
    const by = fold(key(value));
    if (last !== undefined && equal(last.by, by)) last.list.push(value);
    else groups.push({ by, list: [value] });
  }
  return groups.map(({ by, list }) => {
    const group = new Instance();
    group.attributes.set('grouper', by).set('list', list);
    return group;
  });
}
