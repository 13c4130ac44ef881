// Filters of texts, numbers and single values: what comes after `|`.
import { bind, integer, text } from './arguments.js';
import { COLLECTIONS } from './collections.js';
import { cannotRender } from './errors.js';
import { format } from './format.js';
import { attribute, numberLike } from './operators.js';
import type { Filter, Run } from './run.js';
import { capitalize, halfOf, padded, replace, strip } from './texts.js';
import { asNumber, Float, type Named, truth, tupleOf, typeName, Undefined, type Value } from './values.js';
import { json, str } from './writing.js';

/** A filter with arguments by name. */
function takes(names: string[], body: (run: Run, value: Value, args: (Value | undefined)[]) => Value): Filter {
  return (run, value, args, named) => body(run, value, bind('a filter', names, args, named));
}

const asText = (change: (text: string) => string): Filter => takes([], (_run, value) => change(str(value)));

const fallback = takes(['default_value', 'boolean'], (_run, value, [otherwise = '', falsy = false]) =>
  value instanceof Undefined || (truth(falsy) && !truth(value)) ? otherwise : value,
);

const ENTITIES = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&#34;'],
  ["'", '&#39;'],
]);
const escaped = asText((it) => it.replace(/[&<>"']/g, (letter) => ENTITIES.get(letter) as string));

/** Jinja's own: a capital after a blank, a hyphen or an opening bracket. */
function title(value: string): string {
  return value
    .split(/([-\s({[<]+)/u)
    .filter((part) => part !== '')
    .map(capitalize)
    .join('');
}

function indent(run: Run, value: Value, [width = 4, first = false, blank = false]: (Value | undefined)[]): string {
  const by = typeof width === 'string' ? width : ' '.repeat(Math.min(integer('indent', width), 1000));
  const lines = str(value).split('\n');
  run.spendText(lines.length * by.length);
  const indented = lines.map((line, index) => (index === 0 || (line === '' && !truth(blank)) ? line : by + line));
  return (truth(first) ? by : '') + indented.join('\n');
}

function toInteger(value: Value, otherwise: Value, base: number): Value {
  if (typeof value === 'boolean' || value instanceof Float) return Math.trunc(asNumber(value) as number);
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return otherwise;
  const digits = strip(value, undefined).replace(base === 16 ? /^([-+]?)0x/i : /$^/, '$1');
  const pattern = base === 10 ? /^[-+]?\d+$/ : /^[-+]?[\da-z]+$/i;
  const whole = pattern.test(digits) ? Number.parseInt(digits, base) : Number.NaN;
  const number = Number.isNaN(whole) ? Math.trunc(toNumber(value)) : whole;
  return Number.isFinite(number) ? number : otherwise;
}

function toNumber(value: string): number {
  const digits = strip(value, undefined);
  return /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(digits) ? Number(digits) : Number.NaN;
}

function toFloat(value: Value, otherwise: Value): Value {
  const number = typeof value === 'string' ? toNumber(value) : (asNumber(value) ?? Number.NaN);
  return Number.isNaN(number) ? otherwise : new Float(number);
}

function round(value: Value, precision: number, how: string): Value {
  const number = asNumber(value);
  if (number === undefined) throw cannotRender(`round: expected a number, got a value of type ${typeName(value)}`);
  const factor = 10 ** precision;
  if (how === 'ceil') return new Float(Math.ceil(number * factor) / factor);
  if (how === 'floor') return new Float(Math.floor(number * factor) / factor);
  const below = Math.floor(number * factor);
  // Python rounds halves to even, and by the decimal digits otherwise.
  if (number * factor - below === 0.5) return new Float((below + (below % 2 === 0 ? 0 : 1)) / factor);
  return new Float(precision >= 0 ? Number(number.toFixed(precision)) : Math.round(number * factor) / factor);
}

function absolute(value: Value): Value {
  const number = asNumber(value);
  if (number === undefined) throw cannotRender(`abs: expected a number, got a value of type ${typeName(value)}`);
  return numberLike(Math.abs(number), value);
}

/** `json.dumps` with transformers' defaults: nothing is escaped for HTML. */
function tojson(
  value: Value,
  [ensureAscii = false, indentBy = null, separators = null, sortKeys = false]: (Value | undefined)[],
): string {
  const pair = Array.isArray(separators) ? separators.map((each) => text('separators', each)) : undefined;
  const by = typeof indentBy === 'number' ? ' '.repeat(Math.min(Math.max(indentBy, 0), 64)) : indentBy;
  return json(value, {
    ensureAscii: truth(ensureAscii),
    indent: by === null ? undefined : text('indent', by),
    separators: [pair?.[0] ?? (by === null ? ', ' : ','), pair?.[1] ?? ': '],
    sortKeys: truth(sortKeys),
  });
}

function truncate(value: string, length: number, whole: boolean, end: string, leeway: number): string {
  if (length < end.length) throw cannotRender('truncate: the length is less than that of the end');
  if (value.length <= length + leeway) return value;
  const kept = value.slice(0, length - end.length);
  return (whole ? kept : (/^([\s\S]*) /.exec(kept)?.[1] ?? kept)) + end;
}

const SCALARS: Readonly<Record<string, Filter>> = {
  abs: takes([], (_run, value) => absolute(value)),
  attr: takes(['name'], (run, value, [name]) => attribute(run, value, text('attr', name))),
  capitalize: asText(capitalize),
  center: takes(['width'], (run, value, [given]) => {
    const width = integer('center', given, 80);
    return padded(run, str(value), width, halfOf(width));
  }),
  d: fallback,
  default: fallback,
  e: escaped,
  escape: escaped,
  float: takes(['default'], (_run, value, [otherwise = new Float(0)]) => toFloat(value, otherwise)),
  format: (run: Run, value: Value, args: Value[], named: Named) =>
    format(run, str(value), named.size > 0 ? new Map(named) : tupleOf(args)),
  indent: takes(['width', 'first', 'blank'], indent),
  int: takes(['default', 'base'], (_run, value, [otherwise = 0, base]) =>
    toInteger(value, otherwise, integer('int', base, 10)),
  ),
  lower: asText((it) => it.toLowerCase()),
  replace: takes(['old', 'new', 'count'], (run, value, [old = null, by = null, count]) =>
    replace(str(value), [str(old), str(by), count], run),
  ),
  round: takes(['precision', 'method'], (_run, value, [precision, how = 'common']) =>
    round(value, integer('round', precision, 0), text('round', how)),
  ),
  safe: takes([], (_run, value) => value),
  string: asText((it) => it),
  title: asText(title),
  tojson: takes(['ensure_ascii', 'indent', 'separators', 'sort_keys'], (_run, value, args) => tojson(value, args)),
  trim: takes(['chars'], (_run, value, [chars]) => strip(str(value), chars)),
  truncate: takes(
    ['length', 'killwords', 'end', 'leeway'],
    (_run, value, [length, whole = false, end = '...', leeway]) =>
      truncate(
        str(value),
        integer('truncate', length, 255),
        truth(whole),
        text('truncate', end),
        integer('truncate', leeway, 5),
      ),
  ),
  upper: asText((it) => it.toUpperCase()),
  wordcount: takes([], (_run, value) => str(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0),
};

/** The filter of that name. */
export function applyFilter(name: string): Filter | undefined {
  if (Object.hasOwn(SCALARS, name)) return SCALARS[name];
  return Object.hasOwn(COLLECTIONS, name) ? COLLECTIONS[name] : undefined;
}
