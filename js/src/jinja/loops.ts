// Loops, with all that `loop` says of them.
import { cannotRender } from './errors.js';
import { either } from './expressions.js';
import type { Parser } from './parser.js';
import { tuple } from './primaries.js';
import { type Output, runAll, type Scope, type Statement } from './run.js';
import type { Body } from './statements.js';
import { type Assign, loopTargets } from './targets.js';
import { equal, Instance, iterate, orUndefined, truth, tupleOf, type Value } from './values.js';

interface Loop {
  assign: Assign;
  keeps: ((scope: Scope) => boolean) | undefined;
  recursive: boolean;
  statements: Statement[];
  otherwise: Statement[];
}

/** `{% for targets in values if test recursive %} … {% else %} … {% endfor %}`. */
export function forStatement(parser: Parser, body: Body): Statement {
  const assign = loopTargets(parser);
  parser.expect('name', 'in');
  const values = tuple(parser, either, () => parser.is('end') || parser.is('name', 'if', 'recursive'));
  const test = parser.skip('name', 'if') ? parser.expression() : undefined;
  const recursive = parser.skip('name', 'recursive');
  parser.expect('end');
  const within = parser.inLoop;
  parser.inLoop = true;
  const statements = body(parser, 'endfor', 'else');
  parser.inLoop = within;
  let otherwise: Statement[] = [];
  if (parser.next().value === 'else') {
    parser.expect('end');
    otherwise = body(parser, 'endfor');
    parser.next();
  }
  parser.expect('end');
  const keeps = test === undefined ? undefined : (scope: Scope): boolean => truth(test(scope));
  const loop = { assign, keeps, recursive, statements, otherwise };
  return (scope, output) => {
    run(loop, values(scope), scope, output, 0);
    return undefined;
  };
}

function run(loop: Loop, values: Value, scope: Scope, output: Output, depth: number): void {
  const items = kept(loop, iterate(values), scope);
  const state = new LoopState(items, depth);
  if (loop.recursive) {
    state.call = ([inner]) =>
      scope.run.call(() => {
        const text = { text: '' };
        run(loop, orUndefined(inner, 'loop'), scope, text, depth + 1);
        return text.text;
      });
  }
  let completed = false;
  for (const value of items) {
    scope.run.spend(1);
    const inner = scope.inner();
    loop.assign(inner, value);
    inner.set('loop', state.advance());
    const leaves = runAll(loop.statements, inner, output);
    // In Jinja2 a turn that `continue` ends does not count, so that a loop of such turns alone is one without a turn.
    completed ||= leaves === undefined;
    if (leaves === 'break') break;
  }
  if (!completed) runAll(loop.otherwise, scope.inner(), output);
}

function kept({ assign, keeps }: Loop, items: Value[], scope: Scope): Value[] {
  if (keeps === undefined) return items;
  return items.filter((value) => {
    scope.run.spend(1);
    const inner = scope.inner();
    assign(inner, value);
    return keeps(inner);
  });
}

/** `loop`. */
class LoopState extends Instance {
  private at = -1;
  private seen: Value[] | undefined;

  constructor(
    private readonly items: Value[],
    depth: number,
  ) {
    super();
    this.attributes
      .set('length', items.length)
      .set('depth', depth + 1)
      .set('depth0', depth);
    this.attributes.set('cycle', (args) => {
      if (args.length === 0) throw cannotRender('loop.cycle: expected values, got none');
      return args[this.at % args.length] as Value;
    });
    this.attributes.set('changed', (args) => {
      const changed = this.seen === undefined || !equal(tupleOf(this.seen), tupleOf(args));
      this.seen = args;
      return changed;
    });
  }

  /** The state of the next turn. */
  advance(): this {
    this.at += 1;
    const { at, items } = this;
    const left = items.length - at;
    this.attributes
      .set('index', at + 1)
      .set('index0', at)
      .set('revindex', left)
      .set('revindex0', left - 1);
    this.attributes.set('first', at === 0).set('last', left === 1);
    this.attributes.set('previtem', orUndefined(items[at - 1], 'there is no previous item'));
    this.attributes.set('nextitem', orUndefined(items[at + 1], 'there is no next item'));
    return this;
  }
}
