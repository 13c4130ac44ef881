// Filters of lists and mappings.
import { bind, integer, text } from './arguments.js';
import { cannotRender } from './errors.js';
import { BINARY } from './operators.js';
import { attributeOf, dictsort, extreme, type Given, groupby, sort, takes, unique } from './ordering.js';
import type { Filter, Run } from './run.js';
import { Iterator, iterate, length, orUndefined, truth, tupleOf, typeName, Undefined, type Value } from './values.js';
import { str } from './writing.js';

function join(run: Run, items: Value[], [by = '', attribute]: Given): string {
  const texts = items.map(attributeOf(run, attribute)).map(str);
  const between = str(by);
  run.spendText(texts.reduce((sum, each) => sum + each.length + between.length, 0));
  return texts.join(between);
}

function chunks(run: Run, items: Value[], [size, fill]: Given): Value {
  const count = integer('batch', size);
  if (count < 1) throw cannotRender('batch: expected a size of at least 1');
  const rows = Array.from({ length: Math.ceil(items.length / count) }, (_none, row) =>
    items.slice(row * count, (row + 1) * count),
  );
  const last = rows.at(-1);
  if (fill !== undefined && fill !== null && last !== undefined) {
    run.spend(count);
    while (last.length < count) last.push(fill);
  }
  return new Iterator(rows);
}

function add(run: Run, items: Value[], [attribute, start = 0]: Given): Value {
  const plus = BINARY['+'] as (typeof BINARY)[string];
  return items.map(attributeOf(run, attribute)).reduce((sum, value) => plus(run, sum, value), start);
}

const map: Filter = (run, value, args, named) => {
  const items = iterate(value);
  run.spend(items.length);
  const attribute = named.get('attribute');
  if (args.length === 0 && attribute !== undefined) {
    return new Iterator(items.map(attributeOf(run, attribute, named.get('default'))));
  }
  const [name, ...rest] = args;
  const filter = run.lookup.filter(text('map', name));
  if (filter === undefined) throw cannotRender(`unknown filter '${str(name as Value)}'`);
  return new Iterator(items.map((each) => run.made(filter(run, each, run.paid(rest), named))));
};

/** Keeps the items, or those with an attribute, that a test is true of; or false of. */
function choose(byAttribute: boolean, keeps: boolean): Filter {
  return (run, value, args) => {
    const items = iterate(value);
    run.spend(items.length);
    const key = attributeOf(run, byAttribute ? (args[0] ?? '') : undefined);
    const [name, ...rest] = byAttribute ? args.slice(1) : args;
    const test = name === undefined ? undefined : run.lookup.test(text('a test', name));
    if (name !== undefined && test === undefined) throw cannotRender(`unknown test '${str(name)}'`);
    const holds = (each: Value): boolean => (test === undefined ? truth(key(each)) : test(run, key(each), rest));
    return new Iterator(items.filter((each) => holds(each) === keeps));
  };
}

const count: Filter = (_run, value) => length(value);

function reverse(_run: Run, value: Value): Value {
  const reversed = [...iterate(value)].reverse();
  return typeof value === 'string' ? reversed.join('') : new Iterator(reversed);
}

function pairs(_run: Run, value: Value): Value {
  if (value instanceof Undefined) return new Iterator([]);
  if (!(value instanceof Map)) throw cannotRender(`items: expected a mapping, got a value of type ${typeName(value)}`);
  return new Iterator(Array.from(value, (pair) => tupleOf(pair)));
}

/** In so many columns, of which the first ones are longer. */
function columns(run: Run, items: Value[], [size]: Given): Value {
  const slices = integer('slice', size);
  run.spend(slices);
  const [each, longer] = [Math.floor(items.length / slices), items.length % slices];
  const starts = Array.from({ length: slices }, (_none, column) => column * each + Math.min(column, longer));
  return new Iterator(starts.map((start, column) => items.slice(start, starts[column + 1] ?? items.length)));
}

export const COLLECTIONS: Readonly<Record<string, Filter>> = {
  batch: takes(['linecount', 'fill_with'], chunks),
  count,
  dictsort: (run, value, args, named) =>
    dictsort(run, value, bind('dictsort', ['case_sensitive', 'by', 'reverse'], args, named)),
  first: takes([], (_run, items) => orUndefined(items[0], 'the first item of an empty list')),
  groupby: takes(['attribute', 'default', 'case_sensitive'], groupby),
  items: pairs,
  join: takes(['d', 'attribute'], join),
  last: takes([], (_run, items) => orUndefined(items.at(-1), 'the last item of an empty list')),
  length: count,
  list: takes([], (_run, items) => [...items]),
  map,
  max: extreme(1),
  min: extreme(-1),
  reject: choose(false, false),
  rejectattr: choose(true, false),
  reverse,
  select: choose(false, true),
  selectattr: choose(true, true),
  slice: takes(['slices'], columns),
  sort: takes(['reverse', 'case_sensitive', 'attribute'], sort),
  sum: takes(['attribute', 'start'], add),
  unique: takes(['case_sensitive', 'attribute'], unique),
};
