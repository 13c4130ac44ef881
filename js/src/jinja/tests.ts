// Tests: what comes after `is`.
import { cannotRender } from './errors.js';
import { BINARY } from './operators.js';
import type { Test } from './run.js';
import { asNumber, Float, Instance, Iterator, typeName, Undefined, type Value } from './values.js';
import { str } from './writing.js';

const compared =
  (operator: string): Test =>
  (run, value, [other]) =>
    BINARY[operator]?.(run, value, given(other)) === true;

/** What iterates, or has a length and items. */
const holdsItems: Test = (_run, value) =>
  typeof value === 'string' || Array.isArray(value) || value instanceof Map || value instanceof Undefined;

function given(value: Value | undefined): Value {
  if (value === undefined) throw cannotRender('a test with an argument was given none');
  return value;
}

function wholeNumber(value: Value): number {
  const number = asNumber(value);
  if (number === undefined) throw cannotRender(`a value of type ${typeName(value)} is not a number`);
  return number;
}

function isCallable(value: Value): boolean {
  return typeof value === 'function' || (value instanceof Instance && value.call !== undefined);
}

const TESTS: Readonly<Record<string, Test>> = {
  boolean: (_run, value) => typeof value === 'boolean',
  callable: (_run, value) => isCallable(value),
  defined: (_run, value) => !(value instanceof Undefined),
  divisibleby: (_run, value, [by]) => wholeNumber(value) % wholeNumber(given(by)) === 0,
  escaped: () => false,
  even: (_run, value) => wholeNumber(value) % 2 === 0,
  false: (_run, value) => value === false,
  filter: (run, value) => run.lookup.filter(str(value)) !== undefined,
  float: (_run, value) => value instanceof Float,
  in: (run, value, [container]) => BINARY.in?.(run, value, given(container)) === true,
  integer: (_run, value) => typeof value === 'number',
  iterable: (run, value) => holdsItems(run, value, []) || value instanceof Iterator,
  lower: (_run, value) => /\p{Ll}/u.test(str(value)) && !/[\p{Lu}\p{Lt}]/u.test(str(value)),
  mapping: (_run, value) => value instanceof Map,
  none: (_run, value) => value === null,
  number: (_run, value) => asNumber(value) !== undefined,
  odd: (_run, value) => Math.abs(wholeNumber(value) % 2) === 1,
  sameas: (_run, value, [other]) => value === other,
  sequence: holdsItems,
  string: (_run, value) => typeof value === 'string',
  test: (_run, value) => applyTest(str(value)) !== undefined,
  true: (_run, value) => value === true,
  undefined: (_run, value) => value instanceof Undefined,
  upper: (_run, value) => /\p{Lu}/u.test(str(value)) && !/[\p{Ll}\p{Lt}]/u.test(str(value)),
};

const COMPARED: Readonly<Record<string, Test>> = Object.fromEntries(
  Object.entries({
    '==': ['eq', 'equalto'],
    '!=': ['ne'],
    '<': ['lt', 'lessthan'],
    '<=': ['le'],
    '>': ['gt', 'greaterthan'],
    '>=': ['ge'],
  }).flatMap(([operator, names]) => [operator, ...names].map((name) => [name, compared(operator)])),
);

/** The test of that name. */
export function applyTest(name: string): Test | undefined {
  if (Object.hasOwn(TESTS, name)) return TESTS[name];
  return Object.hasOwn(COMPARED, name) ? COMPARED[name] : undefined;
}
