// Tokens of a template, by the rules of Jinja2's lexer with `trim_blocks` and `lstrip_blocks`.
import { BLANK, trimEnd } from './blanks.js';
import { doesNotCompile } from './errors.js';

export interface Token {
  type: 'data' | 'begin' | 'end' | 'name' | 'string' | 'integer' | 'float' | 'operator' | 'eof';
  /** The text, or which operator or tag it is. */
  value: string;
  line: number;
}

const OPEN = /\{[%{#]/g;
const RAW = new RegExp(`\\{%[-+]?${BLANK}*raw${BLANK}*(?:-%\\}${BLANK}*|%\\})`, 'y');
const END_RAW = new RegExp(`\\{%([-+]?)${BLANK}*endraw${BLANK}*(?:\\+%\\}|-%\\}${BLANK}*|%\\}\\n?)`, 'g');
const END_COMMENT = new RegExp(`\\+#\\}|-#\\}${BLANK}*|#\\}\\n?`, 'g');
const ENDS = {
  '{%': new RegExp(`\\+%\\}|-%\\}${BLANK}*|%\\}\\n?`, 'y'),
  '{{': new RegExp(`-\\}\\}${BLANK}*|\\}\\}`, 'y'),
};
const BLANKS = new RegExp(`${BLANK}+`, 'y');
const TOKENS: [Token['type'], RegExp][] = [
  ['float', /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy],
  ['integer', /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy],
  ['name', /[\p{L}\p{N}\p{M}_]+/uy],
  ['string', /'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*"/y],
  ['operator', /\*\*|\/\/|[=!<>]=|[-+*/%~[\](){}<>=.:|,;]/y],
];
const CLOSING = new Map([
  ['(', ')'],
  ['[', ']'],
  ['{', '}'],
]);

/** The tokens of `template`. */
export function tokenize(template: string): Token[] {
  const source = template.replace(/\r\n?/g, '\n').replace(/\n$/, '');
  return new Lexer(source).tokens();
}

class Lexer {
  private readonly found: Token[] = [];
  private at = 0;
  private line = 1;
  private counted = 0;

  constructor(private readonly source: string) {}

  tokens(): Token[] {
    while (this.at < this.source.length) {
      const open = this.search(OPEN);
      if (open === undefined) {
        this.push('data', this.source.slice(this.at));
        break;
      }
      const tag = open[0] as '{%' | '{{' | '{#';
      const sign = this.signAt(open.index + 2);
      this.data(this.source.slice(this.at, open.index), sign, tag === '{{');
      this.at = open.index;
      if (tag === '{%' && this.take(RAW) !== undefined) this.raw();
      else {
        this.at += 2 + sign.length;
        if (tag === '{#') this.comment();
        else this.tag(tag);
      }
    }
    this.at = this.source.length;
    this.push('eof', '');
    return this.found;
  }

  /** Text before a tag, without the blanks that the tag removes. */
  private data(text: string, sign: string, keeps: boolean): void {
    let end = text.length;
    if (sign === '-') end = trimEnd(text).length;
    else if (sign === '' && !keeps) {
      const start = text.lastIndexOf('\n') + 1;
      const atLineStart = start > 0 || this.at === 0 || this.source[this.at - 1] === '\n';
      if (atLineStart && trimEnd(text.slice(start)) === '') end = start;
    }
    if (end > 0) this.push('data', text.slice(0, end));
  }

  private raw(): void {
    const end = this.search(END_RAW);
    if (end === undefined) throw this.error('expected {% endraw %}, got the end');
    this.data(this.source.slice(this.at, end.index), end[1] as string, false);
    this.at = end.index + end[0].length;
  }

  private comment(): void {
    const end = this.search(END_COMMENT);
    if (end === undefined) throw this.error('expected the end of a comment, got that of the template');
    this.at = end.index + end[0].length;
  }

  /** What is between `{%` and `%}`, or `{{` and `}}`. */
  private tag(open: '{%' | '{{'): void {
    this.push('begin', open);
    const expected: string[] = [];
    while (this.at < this.source.length) {
      if (expected.length === 0 && this.take(ENDS[open]) !== undefined) {
        this.push('end', open);
        return;
      }
      if (this.take(BLANKS) === undefined) this.balance(this.next(), expected);
    }
    throw this.error('expected the end of a tag, got that of the template');
  }

  private next(): Token {
    for (const [type, pattern] of TOKENS) {
      const text = this.take(pattern);
      if (text !== undefined) return this.push(type, type === 'string' ? this.unescaped(text.slice(1, -1)) : text);
    }
    throw this.error(`unexpected character ${JSON.stringify(this.source[this.at])}`);
  }

  private balance({ type, value }: Token, expected: string[]): void {
    if (type !== 'operator') return;
    const closing = CLOSING.get(value);
    if (closing !== undefined) expected.push(closing);
    else if (')]}'.includes(value) && expected.pop() !== value) throw this.error(`unexpected '${value}'`);
  }

  private signAt(index: number): string {
    const sign = this.source[index] ?? '';
    return sign === '-' || sign === '+' ? sign : '';
  }

  private search(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    return pattern.exec(this.source) ?? undefined;
  }

  private take(pattern: RegExp): string | undefined {
    const text = this.search(pattern)?.[0];
    if (text !== undefined) this.at += text.length;
    return text;
  }

  private push(type: Token['type'], value: string): Token {
    const token = { type, value, line: this.lineNow() };
    this.found.push(token);
    return token;
  }

  private lineNow(): number {
    this.line += this.source.slice(this.counted, this.at).split('\n').length - 1;
    this.counted = this.at;
    return this.line;
  }

  /** A string's text, by the escapes of Python. */
  private unescaped(text: string): string {
    return text.replace(
      /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([\s\S]))/g,
      (all, x: string, u: string, long: string, octal: string, letter: string) => {
        const hexadecimal = x ?? u ?? long;
        if (hexadecimal !== undefined) return this.point(Number.parseInt(hexadecimal, 16));
        if (octal !== undefined) return this.point(Number.parseInt(octal, 8));
        if ('xuUN'.includes(letter)) throw this.error(`unknown escape ${all}`);
        return ESCAPED.get(letter) ?? all;
      },
    );
  }

  private point(point: number): string {
    if (point > 0x10ffff) throw this.error('a character beyond those of Unicode');
    return String.fromCodePoint(point);
  }

  private error(message: string): Error {
    return doesNotCompile(this.lineNow(), message);
  }
}

const ESCAPED = new Map([
  ['\n', ''],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
]);
