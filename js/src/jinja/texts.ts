// What methods and filters of texts do, as Python's do.
import { integer, text } from './arguments.js';
import { BLANK, trimEnd, trimStart } from './blanks.js';
import { cannotRender } from './errors.js';
import type { Run } from './run.js';
import { characters, Tuple, tupleOf, type Value } from './values.js';

const BLANKS = new RegExp(`${BLANK}+`);
/** The characters that end a line. */
const LINE_ENDS = '[\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029]';
const LINE_END = new RegExp(`(\\r\\n|${LINE_ENDS})`);

/** `str.strip` and its like: blanks, or the characters that are given. */
export function strip(self: string, characterSet: Value | undefined, left = true, right = true): string {
  if (characterSet === undefined || characterSet === null) {
    const rest = left ? trimStart(self) : self;
    return right ? trimEnd(rest) : rest;
  }
  const set = new Set(characters(text('strip', characterSet)));
  const letters = characters(self);
  let [start, end] = [0, letters.length];
  while (left && start < end && set.has(letters[start] as string)) start += 1;
  while (right && end > start && set.has(letters[end - 1] as string)) end -= 1;
  return letters.slice(start, end).join('');
}

/** `str.split` and `str.rsplit`. */
export function split(self: string, separator: Value | undefined, most: number, fromRight: boolean): string[] {
  if (separator === undefined || separator === null) return splitBlanks(self, most, fromRight);
  const by = text('split', separator);
  if (by === '') throw cannotRender('split: the separator is empty');
  const parts = self.split(by);
  if (most < 0 || parts.length <= most + 1) return parts;
  if (fromRight) return [parts.slice(0, parts.length - most).join(by), ...parts.slice(parts.length - most)];
  return [...parts.slice(0, most), parts.slice(most).join(by)];
}

function splitBlanks(self: string, most: number, fromRight: boolean): string[] {
  if (most < 0) return self.split(BLANKS).filter((part) => part !== '');
  if (fromRight) throw cannotRender('rsplit: at blanks, expected no limit');
  const parts: string[] = [];
  let rest = trimStart(self);
  while (rest !== '' && parts.length < most) {
    const { 0: blanks, index } = BLANKS.exec(rest) ?? { 0: '', index: rest.length };
    parts.push(rest.slice(0, index));
    rest = rest.slice(index + blanks.length);
  }
  return rest === '' ? parts : [...parts, rest];
}

/** An index in units of UTF-16 as one in characters. */
export function point(self: string, index: number): number {
  return index < 0 ? index : characters(self.slice(0, index)).length;
}

/** `str.startswith` and `str.endswith`: of one text, or of any of a tuple. */
export function affix(affixes: Value | undefined, test: (affix: string) => boolean): boolean {
  if (typeof affixes === 'string') return test(affixes);
  if (affixes instanceof Tuple) return Array.from(affixes).some((each) => test(text('startswith', each)));
  throw cannotRender('startswith or endswith: expected a text or a tuple of texts');
}

/** `str.replace`. */
export function replace(self: string, [from, to, count]: (Value | undefined)[], run: Run): string {
  const [old, by] = [text('replace', from), text('replace', to)];
  const most = integer('replace', count, -1);
  const parts = old === '' ? ['', ...characters(self), ''] : self.split(old);
  const times = most < 0 ? parts.length - 1 : Math.min(most, parts.length - 1);
  run.spendText(times * by.length);
  return (
    parts.slice(0, times + 1).join(by) +
    parts
      .slice(times + 1)
      .map((part) => old + part)
      .join('')
  );
}

/** `str.title`: a capital after whatever is not a letter with a case. */
export function title(self: string): string {
  return self.replace(/[\p{Lu}\p{Ll}\p{Lt}]+/gu, capitalize);
}

/** `str.capitalize`. */
export function capitalize(self: string): string {
  const [first = '', ...rest] = characters(self);
  return first.toUpperCase() + rest.join('').toLowerCase();
}

/** `str.partition` and `str.rpartition`. */
export function parted(self: string, separator: Value | undefined, last: boolean): Tuple {
  const by = text('partition', separator);
  const at = last ? self.lastIndexOf(by) : self.indexOf(by);
  if (at < 0) return tupleOf(last ? ['', '', self] : [self, '', '']);
  return tupleOf([self.slice(0, at), by, self.slice(at + by.length)]);
}

/** How many blanks `str.center` puts before a text: an odd one goes where Python puts it. */
export function halfOf(width: number): (blanks: number) => number {
  return (blanks) => Math.floor(blanks / 2) + (blanks & width & 1);
}

/** Blanks, or another character, around a text. `left` says how much of them is before it. */
export function padded(run: Run, self: string, width: number, left: (blanks: number) => number, fill = ' '): string {
  const blanks = Math.max(width - characters(self).length, 0);
  run.spendText(blanks);
  const before = left(blanks);
  return fill.repeat(before) + self + fill.repeat(blanks - before);
}

/** `str.splitlines`. */
export function splitLines(self: string, keepEnds: boolean): string[] {
  const parts = self.split(LINE_END);
  // Text and ends of lines take turns.
  const lines = parts.flatMap((text, index) =>
    index % 2 === 0 ? [keepEnds ? text + (parts[index + 1] ?? '') : text] : [],
  );
  return parts.at(-1) === '' ? lines.slice(0, -1) : lines;
}
