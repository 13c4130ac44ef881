// What values are assigned to: names, attributes of namespaces, and several of them at once.
import { cannotRender } from './errors.js';
import type { Parser } from './parser.js';
import type { Scope } from './run.js';
import { Instance, iterate, type Value } from './values.js';

export type Assign = (scope: Scope, value: Value) => void;

/** The attributes that templates may set: those of namespaces. */
export class Namespace extends Instance {}

/** The targets of a loop: names alone. */
export function loopTargets(parser: Parser): Assign {
  return targets(parser, () => parser.is('name', 'in'), false);
}

/** The targets of an assignment: also attributes of namespaces. */
export function setTargets(parser: Parser): Assign {
  return targets(parser, () => parser.is('operator', '='), true);
}

function targets(parser: Parser, end: () => boolean, attributes: boolean): Assign {
  const first = target(parser, attributes);
  if (!parser.is('operator', ',')) return first;
  const all = [first];
  while (parser.skip('operator', ',') && !end()) all.push(target(parser, attributes));
  return (scope, value) => {
    const items = iterate(value);
    if (items.length !== all.length) throw cannotRender(`expected ${all.length} values to assign, got ${items.length}`);
    for (const [index, assign] of all.entries()) assign(scope, items[index] as Value);
  };
}

function target(parser: Parser, attributes: boolean): Assign {
  if (parser.skip('operator', '(')) {
    const inner = parser.nested(() => targets(parser, () => parser.is('operator', ')'), attributes));
    parser.expect('operator', ')');
    return inner;
  }
  const name = parser.expect('name').value;
  if (!attributes || !parser.skip('operator', '.')) return (scope, value) => scope.set(name, value);
  const attribute = parser.expect('name').value;
  return (scope, value) => {
    const object = scope.get(name);
    if (!(object instanceof Namespace)) throw cannotRender(`'${name}' is not a namespace, whose attributes can be set`);
    object.attributes.set(attribute, value);
  };
}
