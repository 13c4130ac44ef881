// Macros, blocks that call one, and the blocks that mark what the model is to generate.
import { cannotRender } from './errors.js';
import { attribute, call } from './operators.js';
import type { Parser } from './parser.js';
import { callArguments, primary } from './primaries.js';
import { type Expression, runAll, type Scope, type Statement, written } from './run.js';
import type { Body } from './statements.js';
import { Instance, type Named, orUndefined, tupleOf, type Value } from './values.js';
import { str } from './writing.js';

/** What a macro takes besides its parameters, if its body asks for it. */
const EXTRAS = ['caller', 'kwargs', 'varargs'] as const;

interface Signature {
  name: string;
  parameters: [name: string, otherwise: Expression | undefined][];
  extras: Set<string>;
  statements: Statement[];
}

/** `{% macro name(parameters) %} … {% endmacro %}`. */
export function macro(parser: Parser, body: Body): Statement {
  const name = parser.expect('name').value;
  const signature = { name, ...readMacro(parser, body, 'endmacro') };
  return (scope) => {
    scope.set(name, made(signature, scope));
    return undefined;
  };
}

/** `{% call(parameters) macro(arguments) %} … {% endcall %}`. */
export function callStatement(parser: Parser, body: Body): Statement {
  let parameters: Signature['parameters'] = [];
  if (parser.is('operator', '(')) parameters = readParameters(parser);
  let callee = primary(parser);
  while (parser.skip('operator', '.')) {
    const [object, name] = [callee, parser.expect('name').value];
    callee = (scope) => attribute(scope.run, object(scope), name);
  }
  const args = callArguments(parser);
  parser.expect('end');
  const signature = { name: 'caller', parameters, ...readBody(parser, body, 'endcall') };
  return (scope, output) => {
    const [values, named] = args(scope);
    named.set('caller', made(signature, scope));
    output.text += str(call(scope.run, callee(scope), values, named));
    return undefined;
  };
}

/** `{% generation %} … {% endgeneration %}`, transformers' extension: its variables are its own. */
export function generation(parser: Parser, body: Body): Statement {
  parser.expect('end');
  const { statements } = readBody(parser, body, 'endgeneration');
  return (scope, output) => runAll(statements, scope.inner(), output);
}

function readMacro(parser: Parser, body: Body, last: string): Omit<Signature, 'name'> {
  const parameters = readParameters(parser);
  parser.expect('end');
  return { parameters, ...readBody(parser, body, last) };
}

function readParameters(parser: Parser): Signature['parameters'] {
  const parameters: Signature['parameters'] = [];
  parser.expect('operator', '(');
  parser.list(')', () => {
    const name = parser.expect('name').value;
    const otherwise = parser.skip('operator', '=') ? parser.expression() : undefined;
    if (otherwise === undefined && parameters.at(-1)?.[1] !== undefined) {
      throw parser.error('a parameter without a default after one with');
    }
    parameters.push([name, otherwise]);
  });
  return parameters;
}

function readBody(parser: Parser, body: Body, last: string): Pick<Signature, 'extras' | 'statements'> {
  const [outside, within] = [parser.names, parser.inLoop];
  parser.names = new Set();
  parser.inLoop = false;
  const statements = body(parser, last);
  const extras = new Set(EXTRAS.filter((name) => parser.names.has(name)) as string[]);
  for (const name of parser.names) outside.add(name);
  parser.names = outside;
  parser.inLoop = within;
  parser.next();
  parser.expect('end');
  return { extras, statements };
}

function made(signature: Signature, scope: Scope): Instance {
  const value = new Instance();
  value.attributes.set('name', signature.name);
  value.attributes.set('arguments', tupleOf(signature.parameters.map(([name]) => name)));
  value.call = (args, named) =>
    scope.run.call(() => {
      const inner = scope.inner();
      bindParameters(signature, args, named, inner);
      return written(signature.statements, inner);
    });
  return value;
}

function bindParameters({ name, parameters, extras }: Signature, args: Value[], named: Named, scope: Scope): void {
  const rest = new Map(named);
  if (args.length > parameters.length && !extras.has('varargs')) {
    throw cannotRender(`the macro '${name}' takes at most ${parameters.length} arguments, got ${args.length}`);
  }
  parameters.forEach(([parameter, otherwise], index) => {
    const value = index < args.length ? args[index] : rest.get(parameter);
    if (index >= args.length) rest.delete(parameter);
    scope.set(parameter, orUndefined(value === undefined ? otherwise?.(scope) : value, parameter));
  });
  if (extras.has('caller')) scope.set('caller', orUndefined(rest.get('caller'), 'caller'));
  if (extras.has('caller')) rest.delete('caller');
  if (extras.has('varargs')) scope.set('varargs', tupleOf(args.slice(parameters.length)));
  if (extras.has('kwargs')) scope.set('kwargs', new Map(rest));
  else if (rest.size > 0) throw cannotRender(`the macro '${name}' takes no argument '${[...rest.keys()][0]}'`);
}
