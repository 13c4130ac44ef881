// A run of a template: its variables by scope, and how much it may do.
import { cannotRender, doesNotEnd } from './errors.js';
import { type Dict, Iterator, type Named, Undefined, type Value } from './values.js';

/** What comes after `|`. */
export type Filter = (run: Run, value: Value, args: Value[], named: Named) => Value;
/** What comes after `is`. */
export type Test = (run: Run, value: Value, args: Value[]) => boolean;

/** What filters and tests there are, for those that take another by its name. */
export interface Lookup {
  filter(name: string): Filter | undefined;
  test(name: string): Test | undefined;
}

/**
 * How many statements, iterations and pieces of 16 characters a run may take. The longest seen takes some ten thousand.
 */
const FUEL = 4_000_000;
/** How deep macros may call each other, as in Python about. */
const MAX_CALLS = 200;

/** What all scopes of a run share. */
export class Run {
  private fuel = FUEL;
  private calls = 0;

  /** `now` is what `strftime_now` writes. */
  constructor(
    readonly now: Date,
    readonly lookup: Lookup,
  ) {}

  /** Counts work, before it is done where it may be much. */
  spend(steps: number): void {
    this.fuel -= steps;
    // Not a number is no less than 0.
    if (!(this.fuel >= 0)) throw doesNotEnd();
  }

  /** Counts a text of so many units. */
  spendText(units: number): void {
    this.spend(units / 16);
  }

  /**
   * Counts all that is in a value before it is gone through: a list that holds another one twice doubles with each
   * turn.
   */
  paid<V extends Value>(value: V): V {
    this.spend(1);
    if (typeof value === 'string') this.spendText(value.length);
    else if (Array.isArray(value)) for (const item of value) this.paid(item);
    else if (value instanceof Iterator) for (const item of value.items) this.paid(item);
    else if (value instanceof Map) {
      for (const [key, item] of value as Dict) {
        this.paid(key);
        this.paid(item);
      }
    }
    return value;
  }

  /** Counts what was made. */
  made<V extends Value>(value: V): V {
    if (typeof value === 'string') this.spendText(value.length);
    else if (Array.isArray(value)) this.spend(value.length);
    return value;
  }

  /** Calls a macro. */
  call<T>(body: () => T): T {
    if (this.calls >= MAX_CALLS) throw cannotRender('macros call each other without end');
    this.calls += 1;
    try {
      return body();
    } finally {
      this.calls -= 1;
    }
  }
}

/** Variables, and those around them. */
export class Scope {
  private readonly variables = new Map<string, Value>();

  constructor(
    readonly run: Run,
    private readonly parent?: Scope,
  ) {}

  /** A scope within this one. */
  inner(): Scope {
    return new Scope(this.run, this);
  }

  get(name: string): Value {
    const value = this.variables.get(name);
    if (value !== undefined) return value;
    return this.parent === undefined ? new Undefined(name) : this.parent.get(name);
  }

  set(name: string, value: Value): void {
    this.variables.set(name, value);
  }
}

/** What a template has written. */
export interface Output {
  text: string;
}

/** Computes a value. */
export type Expression = (scope: Scope) => Value;
/** Writes, and says whether a loop ends or goes on with its next item. */
export type Statement = (scope: Scope, output: Output) => 'break' | 'continue' | undefined;

/** Runs statements one after the other. */
export function runAll(statements: Statement[], scope: Scope, output: Output): ReturnType<Statement> {
  for (const statement of statements) {
    scope.run.spend(1);
    const leaves = statement(scope, output);
    if (leaves !== undefined) return leaves;
  }
  return undefined;
}

/** What statements write. */
export function written(statements: Statement[], scope: Scope): string {
  const output = { text: '' };
  runAll(statements, scope, output);
  return output.text;
}
