// Names, literals and what comes after them, by the grammar of Jinja2's parser, as functions of the variables.
import { applyFilter } from './filters.js';
import { attribute, call, item, slice } from './operators.js';
import type { Parser } from './parser.js';
import type { Expression, Scope } from './run.js';
import { applyTest } from './tests.js';
import { type Dict, Float, iterate, type Named, Tuple, tupleOf, type Value } from './values.js';

/** One expression, or a tuple of several with commas between. `end` says where a tuple ends after a comma. */
export function tuple(parser: Parser, read: (parser: Parser) => Expression, end: () => boolean): Expression {
  const first = read(parser);
  if (!parser.is('operator', ',')) return first;
  const items = [first];
  while (parser.skip('operator', ',') && !end()) items.push(read(parser));
  return (scope) => scope.run.paid(tupleOf(items.map((each) => each(scope))));
}

const CONSTANTS = new Map<string, Value>([
  ...(['true', 'True'].map((name) => [name, true]) as [string, Value][]),
  ...(['false', 'False'].map((name) => [name, false]) as [string, Value][]),
  ...(['none', 'None'].map((name) => [name, null]) as [string, Value][]),
]);

/** A name or a literal. */
export function primary(parser: Parser): Expression {
  const { type, value } = parser.current;
  if (type === 'operator') return bracketed(parser);
  if (type !== 'name' && type !== 'string' && type !== 'integer' && type !== 'float') {
    throw parser.error(`unexpected ${type === 'eof' ? 'end' : `'${value}'`}`);
  }
  parser.next();
  if (type === 'name') return name(parser, value);
  if (type === 'string') {
    let text = value;
    while (parser.is('string')) text += parser.next().value;
    return () => text;
  }
  const number = Number(value.replaceAll('_', ''));
  return type === 'integer' ? () => number : () => new Float(number);
}

function name(parser: Parser, variable: string): Expression {
  const constant = CONSTANTS.get(variable);
  if (constant !== undefined) return () => constant;
  parser.names.add(variable);
  return (scope) => scope.get(variable);
}

function bracketed(parser: Parser): Expression {
  if (parser.skip('operator', '(')) {
    if (parser.skip('operator', ')')) return () => new Tuple();
    const value = tuple(
      parser,
      () => parser.expression(),
      () => parser.is('operator', ')'),
    );
    parser.expect('operator', ')');
    return value;
  }
  if (parser.skip('operator', '[')) {
    const items: Expression[] = [];
    parser.list(']', () => items.push(parser.expression()));
    return (scope) => scope.run.paid(items.map((each) => each(scope)));
  }
  parser.expect('operator', '{');
  const pairs: [Expression, Expression][] = [];
  parser.list('}', () => {
    const key = parser.expression();
    parser.expect('operator', ':');
    pairs.push([key, parser.expression()]);
  });
  return (scope) => scope.run.paid(new Map(pairs.map(([key, value]) => [key(scope), value(scope)])) as Dict);
}

/** What comes after a value: `.name`, `[index]` and `(arguments)`, as often as they do. */
export function postfix(parser: Parser, of: Expression): Expression {
  let value = of;
  for (;;) {
    const object = value;
    if (parser.skip('operator', '.')) value = member(parser, object);
    else if (parser.skip('operator', '[')) value = subscript(parser, object);
    else if (parser.is('operator', '(')) value = called(parser, object);
    else return value;
  }
}

function member(parser: Parser, object: Expression): Expression {
  const { type, value } = parser.next();
  if (type === 'integer') return (scope) => item(scope.run, object(scope), Number(value));
  if (type !== 'name') throw parser.error("expected a name after '.'");
  return (scope) => attribute(scope.run, object(scope), value);
}

function subscript(parser: Parser, object: Expression): Expression {
  const ends = (): boolean => parser.is('operator', ':', ']');
  const parts: (Expression | undefined)[] = [ends() ? undefined : parser.expression()];
  while (parts.length < 3 && parser.skip('operator', ':')) parts.push(ends() ? undefined : parser.expression());
  parser.expect('operator', ']');
  const [key, stop, step] = parts;
  if (parts.length === 1) {
    if (key === undefined) throw parser.error("expected an index between '[' and ']'");
    return (scope) => item(scope.run, object(scope), scope.run.paid(key(scope)));
  }
  const bound = (scope: Scope, value: Expression | undefined): Value => value?.(scope) ?? null;
  return (scope) => slice(scope.run, object(scope), [bound(scope, key), bound(scope, stop), bound(scope, step)]);
}

/** The arguments of a call, in parentheses. */
export function callArguments(parser: Parser): (scope: Scope) => [Value[], Named] {
  const args: Expression[] = [];
  const named: [string, Expression][] = [];
  let [more, moreNamed]: (Expression | undefined)[] = [];
  parser.expect('operator', '(');
  parser.list(')', () => {
    if (parser.skip('operator', '*')) more = parser.expression();
    else if (parser.skip('operator', '**')) moreNamed = parser.expression();
    else if (parser.is('name') && parser.look(1).type === 'operator' && parser.look(1).value === '=') {
      const key = parser.next().value;
      parser.next();
      named.push([key, parser.expression()]);
    } else if (named.length > 0 || more !== undefined || moreNamed !== undefined) {
      throw parser.error('an argument by place after one by name');
    } else args.push(parser.expression());
  });
  return (scope) => {
    const values = args.map((each) => each(scope));
    const pairs = named.map(([key, value]): [string, Value] => [key, value(scope)]);
    const rest = moreNamed?.(scope);
    if (rest instanceof Map) pairs.push(...([...rest] as [string, Value][]));
    const all = more === undefined ? values : [...values, ...iterate(more(scope))];
    return [scope.run.paid(all), scope.run.paid(new Map(pairs))];
  };
}

function called(parser: Parser, callee: Expression): Expression {
  const args = callArguments(parser);
  return (scope) => call(scope.run, callee(scope), ...args(scope));
}

/** `value | filter` and `value is test`. */
export function filtered(parser: Parser, of: Expression): Expression {
  let value = of;
  for (;;) {
    const operand = value;
    if (parser.skip('operator', '|')) value = filter(parser, operand);
    else if (parser.skip('name', 'is')) value = test(parser, operand);
    else if (parser.is('operator', '(')) value = called(parser, operand);
    else return value;
  }
}

/** Filters that look at how many items a value has, or at one of them. */
const SHALLOW = ['length', 'count', 'first', 'last', 'default', 'd'];

/** A filter's name and arguments, on `operand`. */
export function filter(parser: Parser, operand: Expression): Expression {
  const named = parser.expect('name').value;
  const apply = applyFilter(named);
  if (apply === undefined) throw parser.error(`unknown filter '${named}'`);
  const args = parser.is('operator', '(') ? callArguments(parser) : undefined;
  return (scope) => {
    const value = SHALLOW.includes(named) ? operand(scope) : scope.run.paid(operand(scope));
    const [values, names]: [Value[], Named] = args?.(scope) ?? [[], new Map()];
    return scope.run.made(apply(scope.run, value, values, names));
  };
}

function test(parser: Parser, operand: Expression): Expression {
  const negates = parser.skip('name', 'not');
  const named = parser.expect('name').value;
  const apply = applyTest(named);
  if (apply === undefined) throw parser.error(`unknown test '${named}'`);
  const args = testArguments(parser);
  return (scope) => {
    const value = operand(scope);
    return apply(scope.run, value, args(scope)) !== negates;
  };
}

function testArguments(parser: Parser): (scope: Scope) => Value[] {
  if (parser.is('operator', '(')) {
    const args = callArguments(parser);
    return (scope) => args(scope)[0];
  }
  const begins = parser.is('string') || parser.is('integer') || parser.is('float') || parser.is('operator', '[', '{');
  if (!begins && !(parser.is('name') && !parser.is('name', 'else', 'or', 'and', 'is', 'if', 'in', 'not')))
    return () => [];
  const value = postfix(parser, primary(parser));
  return (scope) => [scope.run.paid(value(scope))];
}
