// Reading the tokens of a template one after the other.
import { doesNotCompile } from './errors.js';
import { type Token, tokenize } from './lexer.js';
import type { Expression } from './run.js';

/** How deep a template may nest. */
const MAX_DEPTH = 100;

/** The tokens that are still to be read. */
export class Parser {
  /** The names that were read since a macro began: whether it asks for `caller`, `varargs` or `kwargs`. */
  names = new Set<string>();
  /** Whether `break` and `continue` have a loop to leave. */
  inLoop = false;
  private readonly tokens: Token[];
  private at = 0;
  private depth = 0;

  /** `read` reads an expression, which may be within any other. */
  constructor(
    template: string,
    private readonly read: (parser: Parser) => Expression,
  ) {
    this.tokens = tokenize(template);
  }

  /** Reads an expression. */
  expression(): Expression {
    return this.read(this);
  }

  get current(): Token {
    return this.look(0);
  }

  look(ahead: number): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)] as Token;
  }

  next(): Token {
    const token = this.current;
    this.at += 1;
    return token;
  }

  is(type: Token['type'], ...values: string[]): boolean {
    const { current } = this;
    return current.type === type && (values.length === 0 || values.includes(current.value));
  }

  /** Reads the operator or name `value`, if that comes next. */
  skip(type: Token['type'], value: string): boolean {
    const found = this.is(type, value);
    if (found) this.at += 1;
    return found;
  }

  expect(type: Token['type'], value?: string): Token {
    const found = value === undefined ? this.is(type) : this.is(type, value);
    if (!found) throw this.error(`expected ${value === undefined ? type : `'${value}'`}, got ${this.described()}`);
    return this.next();
  }

  /** Items with commas between, up to `close`. */
  list(close: string, read: () => void): void {
    for (let first = true; !this.is('operator', close); first = false) {
      if (!first) this.expect('operator', ',');
      if (this.is('operator', close)) break;
      read();
    }
    this.expect('operator', close);
  }

  /** Reads what may contain itself. */
  nested<T>(read: () => T): T {
    if (this.depth >= MAX_DEPTH) throw this.error('it nests too deep');
    this.depth += 1;
    const value = read();
    this.depth -= 1;
    return value;
  }

  error(message: string): Error {
    return doesNotCompile(this.current.line, message);
  }

  private described(): string {
    const { type, value } = this.current;
    if (type === 'eof') return 'the end of the template';
    return type === 'end' ? 'the end of the tag' : `'${value}'`;
  }
}
