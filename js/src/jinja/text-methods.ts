// Methods of texts, as Python has them.
import { integer, text } from './arguments.js';
import { BLANK } from './blanks.js';
import { cannotRender } from './errors.js';
import { formatBraces } from './format.js';
import { type Entry, methods } from './method-table.js';
import { affix, capitalize, halfOf, padded, parted, point, replace, split, splitLines, strip, title } from './texts.js';
import { characters, iterate, orUndefined, type Value } from './values.js';

/** Whether all of a text is of one kind. */
function every(pattern: RegExp): Entry<string> {
  return [[], (self) => pattern.test(self)];
}

/** A place, where there is one. */
export function found(index: number): number {
  if (index < 0) throw cannotRender('index: there is no such item');
  return index;
}

const PAD = ['width', 'fillchar'];
const fillOf = (value: Value | undefined): string => (value === undefined ? ' ' : text('fillchar', value));

/** The methods of texts. */
export const TEXT = methods<string>({
  capitalize: [[], (self) => capitalize(self)],
  casefold: [[], (self) => self.toLowerCase()],
  center: [
    PAD,
    (self, [width, fill], run) => {
      const columns = integer('center', width);
      return padded(run, self, columns, halfOf(columns), fillOf(fill));
    },
  ],
  count: [
    ['sub'],
    (self, [sub]) => (sub === '' ? characters(self).length + 1 : self.split(text('count', sub)).length - 1),
  ],
  endswith: [['suffix'], (self, [suffix]) => affix(suffix, (end) => self.endsWith(end))],
  find: [['sub'], (self, [sub]) => point(self, self.indexOf(text('find', sub)))],
  format: [undefined, (self, args, run) => formatBraces(run, self, args)],
  index: [['sub'], (self, [sub]) => found(point(self, self.indexOf(text('index', sub))))],
  isalnum: every(/^[\p{L}\p{N}]+$/u),
  isalpha: every(/^\p{L}+$/u),
  isascii: every(/^\p{ASCII}*$/u),
  isdigit: every(/^\p{Nd}+$/u),
  isdecimal: every(/^\p{Nd}+$/u),
  isnumeric: every(/^\p{N}+$/u),
  islower: every(/^(?=.*\p{Ll})[^\p{Lu}\p{Lt}]+$/su),
  isupper: every(/^(?=.*\p{Lu})[^\p{Ll}\p{Lt}]+$/su),
  isspace: every(new RegExp(`^${BLANK}+$`)),
  join: [
    ['iterable'],
    (self, [items], run) => {
      const texts = iterate(orUndefined(items, 'iterable')).map((each) => text('join', each));
      run.spendText(self.length * texts.length);
      return texts.join(self);
    },
  ],
  ljust: [PAD, (self, [width, fill], run) => padded(run, self, integer('ljust', width), () => 0, fillOf(fill))],
  lower: [[], (self) => self.toLowerCase()],
  lstrip: [['chars'], (self, [set]) => strip(self, set, true, false)],
  partition: [['sep'], (self, [separator]) => parted(self, separator, false)],
  removeprefix: [
    ['prefix'],
    (self, [prefix]) => (self.startsWith(text('removeprefix', prefix)) ? self.slice((prefix as string).length) : self),
  ],
  removesuffix: [
    ['suffix'],
    (self, [suffix]) =>
      self.endsWith(text('removesuffix', suffix)) ? self.slice(0, self.length - (suffix as string).length) : self,
  ],
  replace: [['old', 'new', 'count'], replace],
  rfind: [['sub'], (self, [sub]) => point(self, self.lastIndexOf(text('rfind', sub)))],
  rjust: [
    PAD,
    (self, [width, fill], run) => padded(run, self, integer('rjust', width), (blanks) => blanks, fillOf(fill)),
  ],
  rpartition: [['sep'], (self, [separator]) => parted(self, separator, true)],
  rsplit: [['sep', 'maxsplit'], (self, [separator, most]) => split(self, separator, integer('rsplit', most, -1), true)],
  rstrip: [['chars'], (self, [set]) => strip(self, set, false, true)],
  split: [['sep', 'maxsplit'], (self, [separator, most]) => split(self, separator, integer('split', most, -1), false)],
  splitlines: [['keepends'], (self, [keepEnds]) => splitLines(self, keepEnds === true)],
  startswith: [['prefix'], (self, [prefix]) => affix(prefix, (start) => self.startsWith(start))],
  strip: [['chars'], (self, [set]) => strip(self, set)],
  swapcase: [
    [],
    (self) =>
      characters(self)
        .map((it) => (it === it.toLowerCase() ? it.toUpperCase() : it.toLowerCase()))
        .join(''),
  ],
  title: [[], (self) => title(self)],
  upper: [[], (self) => self.toUpperCase()],
  zfill: [
    ['width'],
    (self, [width], run) => {
      const sign = /^[-+]?/.exec(self)?.[0] ?? '';
      return (
        sign + padded(run, self.slice(sign.length), integer('zfill', width) - sign.length, (blanks) => blanks, '0')
      );
    },
  ],
});
