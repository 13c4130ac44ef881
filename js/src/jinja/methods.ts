// Methods of texts, lists and mappings, as Python has them.
import { bind } from './arguments.js';
import { cannotRender } from './errors.js';
import { type Method, type Methods, methods } from './method-table.js';
import type { Run } from './run.js';
import { found, TEXT } from './text-methods.js';
import { type Callable, type Dict, equal, type Named, tupleOf, type Value } from './values.js';

/** The method `name` of a value, if it has one. */
export function method(run: Run, self: Value, name: string): Callable | undefined {
  const methods = methodsOf(self);
  const found = methods?.get(name);
  if (found === undefined) return undefined;
  const [names, body] = found;
  return (args, named) => {
    const bound = names === undefined ? [...args, namedAsDict(named)] : bind(name, names, args, named);
    return run.made(body(run.paid(self) as never, bound, run));
  };
}

function methodsOf(self: Value): Methods | undefined {
  if (typeof self === 'string') return TEXT;
  if (self instanceof Map) return DICT;
  return Array.isArray(self) ? LIST : undefined;
}

function namedAsDict(named: Named): Dict {
  return new Map(named);
}

/** What changes a value, which templates may not. */
function refusing(...names: string[]): Record<string, [undefined, Method<unknown>]> {
  const refuse =
    (name: string): Method<unknown> =>
    () => {
      throw cannotRender(`'${name}' would change what the template was given`);
    };
  return Object.fromEntries(names.map((name) => [name, [undefined, refuse(name)]]));
}

const DICT = methods<Dict>({
  get: [
    ['key', 'default'],
    (self, [key, otherwise = null]) => (self.has(key as Value) ? (self.get(key as Value) as Value) : otherwise),
  ],
  items: [[], (self) => Array.from(self, (pair) => tupleOf(pair))],
  keys: [[], (self) => [...self.keys()]],
  values: [[], (self) => [...self.values()]],
  copy: [[], (self) => new Map(self)],
  ...refusing('clear', 'pop', 'popitem', 'setdefault', 'update'),
});

const LIST = methods<Value[]>({
  count: [['value'], (self, [value]) => self.filter((item) => equal(item, value as Value)).length],
  index: [['value'], (self, [value]) => found(self.findIndex((item) => equal(item, value as Value)))],
  copy: [[], (self) => [...self]],
  ...refusing('append', 'clear', 'extend', 'insert', 'pop', 'remove', 'reverse', 'sort'),
});
