// Expressions with operators, by the grammar of Jinja2's parser, as functions of the variables.
import { BINARY, binary, signed } from './operators.js';
import type { Parser } from './parser.js';
import { filtered, postfix, primary } from './primaries.js';
import type { Expression } from './run.js';
import { truth, Undefined } from './values.js';

/** An expression with `if` and `else`. */
export function expression(parser: Parser): Expression {
  return parser.nested(() => {
    let value = either(parser);
    while (parser.skip('name', 'if')) {
      const [then, test] = [value, either(parser)];
      const otherwise = parser.skip('name', 'else') ? expression(parser) : () => new Undefined('else');
      value = (scope) => (truth(test(scope)) ? then(scope) : otherwise(scope));
    }
    return value;
  });
}

/** An expression without `if` outside of parentheses. */
export function either(parser: Parser): Expression {
  let left = both(parser);
  while (parser.skip('name', 'or')) {
    const [a, b] = [left, both(parser)];
    left = (scope) => {
      const value = a(scope);
      return truth(value) ? value : b(scope);
    };
  }
  return left;
}

function both(parser: Parser): Expression {
  let left = negated(parser);
  while (parser.skip('name', 'and')) {
    const [a, b] = [left, negated(parser)];
    left = (scope) => {
      const value = a(scope);
      return truth(value) ? b(scope) : value;
    };
  }
  return left;
}

function negated(parser: Parser): Expression {
  if (!parser.skip('name', 'not')) return comparison(parser);
  const value = parser.nested(() => negated(parser));
  return (scope) => !truth(value(scope));
}

const COMPARISONS = ['==', '!=', '<', '<=', '>', '>='];

function comparisonOperator(parser: Parser): string | undefined {
  if (parser.is('operator', ...COMPARISONS)) return parser.next().value;
  if (parser.skip('name', 'in')) return 'in';
  if (!(parser.is('name', 'not') && parser.look(1).type === 'name' && parser.look(1).value === 'in')) return undefined;
  parser.next();
  parser.next();
  return 'not in';
}

/** `a < b < c` compares both pairs. */
function comparison(parser: Parser): Expression {
  const first = operation(parser, 0);
  const rest: [string, Expression][] = [];
  for (let operator = comparisonOperator(parser); operator !== undefined; operator = comparisonOperator(parser)) {
    rest.push([operator, operation(parser, 0)]);
  }
  if (rest.length === 0) return first;
  return (scope) => {
    let left = first(scope);
    return rest.every(([operator, right]) => {
      const value = right(scope);
      const holds = binary(operator)(scope.run, left, value);
      left = value;
      return holds;
    });
  };
}

/** The operators with two operands, from those that bind loosely to those that bind tightly. */
const LEVELS = [['+', '-'], ['~'], ['*', '/', '//', '%'], ['**']] as const;

function operation(parser: Parser, level: number): Expression {
  const operators = LEVELS[level];
  if (operators === undefined) return unary(parser, true);
  let left = operation(parser, level + 1);
  while (parser.is('operator', ...operators)) {
    const compute = BINARY[parser.next().value] as (typeof BINARY)[string];
    const [a, b] = [left, operation(parser, level + 1)];
    left = (scope) => compute(scope.run, a(scope), b(scope));
  }
  return left;
}

function unary(parser: Parser, filters: boolean): Expression {
  let value: Expression;
  if (parser.is('operator', '-', '+')) {
    const sign = parser.next().value;
    const operand = parser.nested(() => unary(parser, false));
    value = (scope) => signed(sign, operand(scope));
  } else value = primary(parser);
  value = postfix(parser, value);
  return filters ? filtered(parser, value) : value;
}
