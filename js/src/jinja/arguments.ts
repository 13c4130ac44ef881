// Arguments of functions, filters and methods: by place or by name.
import { cannotRender } from './errors.js';
import { type Named, typeName, type Value } from './values.js';

/** The arguments by the order of `names`, each undefined that is not given. */
export function bind(what: string, names: readonly string[], args: Value[], named: Named): (Value | undefined)[] {
  if (args.length > names.length) {
    throw cannotRender(`${what} takes at most ${names.length} arguments, got ${args.length}`);
  }
  for (const name of named.keys()) {
    const place = names.indexOf(name);
    if (place < 0) throw cannotRender(`${what} takes no argument '${name}'`);
    if (place < args.length) throw cannotRender(`${what} got two values for '${name}'`);
  }
  return names.map((name, index) => (index < args.length ? args[index] : named.get(name)));
}

/** A text, or an error. */
export function text(what: string, value: Value | undefined): string {
  if (typeof value !== 'string') throw cannotRender(`${what}: expected a text, got ${got(value)}`);
  return value;
}

/** An integer, or an error. `otherwise` is what stands for one that is not given. */
export function integer(what: string, value: Value | undefined, otherwise?: number): number {
  if (value === undefined && otherwise !== undefined) return otherwise;
  if (typeof value !== 'number') throw cannotRender(`${what}: expected an integer, got ${got(value)}`);
  return value;
}

function got(value: Value | undefined): string {
  return value === undefined ? 'nothing' : `a value of type ${typeName(value)}`;
}
