// What templates find besides the variables they are given.
import { bind, integer, text } from './arguments.js';
import { cannotRender, refused } from './errors.js';
import type { Run } from './run.js';
import { strftime } from './strftime.js';
import { Namespace } from './targets.js';
import { type Callable, iterate, type Named, Undefined, type Value } from './values.js';
import { str } from './writing.js';

/** The functions of every template. */
export function globals(run: Run): [string, Callable][] {
  return [
    ['dict', (args, named) => new Map(entries('dict', args, named))],
    [
      'namespace',
      (args, named) => {
        const namespace = new Namespace();
        for (const [key, value] of entries('namespace', args, named)) namespace.attributes.set(str(key), value);
        return namespace;
      },
    ],
    ['raise_exception', raise],
    ['range', (args) => range(run, args)],
    [
      'strftime_now',
      (args, named) => strftime(run.now, text('strftime_now', bind('strftime_now', ['format'], args, named)[0])),
    ],
  ];
}

const raise: Callable = (args, named) => {
  const [message = new Undefined('message')] = bind('raise_exception', ['message'], args, named);
  throw refused(str(message));
};

function entries(what: string, args: Value[], named: Named): [Value, Value][] {
  const [source] = bind(what, ['mapping'], args, new Map());
  const pairs = source instanceof Map ? [...source] : source === undefined ? [] : iterate(source).map(pair);
  return [...pairs, ...named] as [Value, Value][];
}

function pair(value: Value): [Value, Value] {
  const [key, item] = iterate(value);
  if (key === undefined || item === undefined) throw cannotRender('expected pairs of a key and a value');
  return [key, item];
}

function range(run: Run, args: Value[]): Value[] {
  const [first, second, step = 1] = args.map((value) => integer('range', value));
  if (first === undefined || step === 0 || args.length > 3)
    throw cannotRender('range: expected 1 to 3 integers and a step that is not 0');
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(Math.ceil((stop - start) / step), 0);
  run.spend(length);
  return Array.from({ length }, (_none, index) => start + index * step);
}
