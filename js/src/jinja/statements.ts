// Statements, by the grammar of Jinja2's parser, as functions of the variables.
import { either } from './expressions.js';
import { forStatement } from './loops.js';
import { callStatement, generation, macro } from './macros.js';
import type { Parser } from './parser.js';
import { filter, tuple } from './primaries.js';
import { type Expression, runAll, type Scope, type Statement, written } from './run.js';
import { setTargets } from './targets.js';
import { truth, type Value } from './values.js';
import { str } from './writing.js';

/** Statements up to one of the tags `ends`, whose name is left to be read. */
export type Body = (parser: Parser, ...ends: string[]) => Statement[];

/** A whole template. */
export function template(parser: Parser): Statement[] {
  const statements = body(parser);
  if (!parser.is('eof')) throw parser.error(`unexpected tag '${parser.current.value}'`);
  return statements;
}

function body(parser: Parser, ...ends: string[]): Statement[] {
  return parser.nested(() => {
    const statements: Statement[] = [];
    while (!parser.is('eof')) {
      const { type, value } = parser.next();
      if (type === 'data') statements.push(data(value));
      else if (value === '{{') statements.push(output(parser));
      else {
        if (parser.is('name', ...ends) && ends.length > 0) return statements;
        statements.push(tag(parser));
      }
    }
    if (ends.length > 0)
      throw parser.error(`expected ${ends.map((end) => `{% ${end} %}`).join(' or ')}, got the end of the template`);
    return statements;
  });
}

function data(text: string): Statement {
  return (scope, into) => {
    scope.run.spendText(text.length);
    into.text += text;
    return undefined;
  };
}

function output(parser: Parser): Statement {
  const value = tuple(
    parser,
    () => parser.expression(),
    () => parser.is('end'),
  );
  end(parser);
  return (scope, into) => {
    const text = str(scope.run.paid(value(scope)));
    scope.run.spendText(text.length);
    into.text += text;
    return undefined;
  };
}

function end(parser: Parser): void {
  if (!parser.is('end')) throw parser.error(`expected the end of the tag, got '${parser.current.value}'`);
  parser.next();
}

const TAGS: Readonly<Record<string, (parser: Parser) => Statement>> = {
  break: leave('break'),
  continue: leave('continue'),
  call: (parser) => callStatement(parser, body),
  filter: filterStatement,
  for: (parser) => forStatement(parser, body),
  generation: (parser) => generation(parser, body),
  if: ifStatement,
  macro: (parser) => macro(parser, body),
  set: setStatement,
  with: withStatement,
};

function tag(parser: Parser): Statement {
  const { value } = parser.expect('name');
  const read = Object.hasOwn(TAGS, value) ? TAGS[value] : undefined;
  if (read === undefined) throw parser.error(`unknown tag '${value}'`);
  return read(parser);
}

function leave(how: 'break' | 'continue'): (parser: Parser) => Statement {
  return (parser) => {
    if (!parser.inLoop) throw parser.error(`'${how}' outside of a loop`);
    end(parser);
    return () => how;
  };
}

function ifStatement(parser: Parser): Statement {
  const branches: [Expression, Statement[]][] = [];
  let otherwise: Statement[] = [];
  let next = 'elif';
  while (next === 'elif') {
    const test = tuple(parser, either, () => parser.is('end'));
    end(parser);
    branches.push([test, body(parser, 'elif', 'else', 'endif')]);
    next = parser.next().value;
  }
  if (next === 'else') {
    end(parser);
    otherwise = body(parser, 'endif');
    parser.next();
  }
  end(parser);
  return (scope, into) => {
    const taken = branches.find(([test]) => truth(test(scope)));
    return runAll(taken?.[1] ?? otherwise, scope, into);
  };
}

function setStatement(parser: Parser): Statement {
  const assign = setTargets(parser);
  if (parser.skip('operator', '=')) {
    const value = tuple(
      parser,
      () => parser.expression(),
      () => parser.is('end'),
    );
    end(parser);
    return (scope) => {
      assign(scope, value(scope));
      return undefined;
    };
  }
  const [contents, text] = captured(parser, 'endset');
  return (scope) => {
    assign(scope, contents(scope, text(scope)));
    return undefined;
  };
}

function filterStatement(parser: Parser): Statement {
  const [contents, text] = captured(parser, 'endfilter', true);
  return (scope, into) => {
    into.text += str(contents(scope, text(scope)));
    return undefined;
  };
}

/** What a block writes, and the filters that change it. */
function captured(
  parser: Parser,
  last: string,
  first = false,
): [(scope: Scope, text: string) => Value, (scope: Scope) => string] {
  let current: Value = '';
  let filters: Expression = () => current;
  for (let more = first || parser.skip('operator', '|'); more; more = parser.skip('operator', '|')) {
    filters = filter(parser, filters);
  }
  end(parser);
  const statements = body(parser, last);
  parser.next();
  end(parser);
  const contents = (scope: Scope, text: string): Value => {
    current = text;
    return filters(scope);
  };
  return [contents, (scope) => written(statements, scope.inner())];
}

function withStatement(parser: Parser): Statement {
  const assignments: [ReturnType<typeof setTargets>, Expression][] = [];
  while (!parser.is('end')) {
    if (assignments.length > 0) parser.expect('operator', ',');
    const assign = setTargets(parser);
    parser.expect('operator', '=');
    assignments.push([assign, parser.expression()]);
  }
  end(parser);
  const statements = body(parser, 'endwith');
  parser.next();
  end(parser);
  return (scope, into) => {
    const inner = scope.inner();
    const values = assignments.map(([, value]) => value(scope));
    for (const [index, [assign]] of assignments.entries()) assign(inner, values[index] as Value);
    return runAll(statements, inner, into);
  };
}
