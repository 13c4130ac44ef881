// How values are written: Python's `str`, `repr` and `json.dumps`.
import { cannotRender } from './errors.js';
import { asNumber, compare, type Dict, Float, Tuple, typeName, Undefined, type Value } from './values.js';

/** `str(value)`. */
export function str(value: Value): string {
  if (typeof value === 'string') return value;
  return value instanceof Undefined ? '' : repr(value);
}

/** `repr(value)`. */
export function repr(value: Value): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return quoted(value);
  if (value instanceof Float) return float(value.value);
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof Map) return `{${[...value].map(([key, item]) => `${repr(key)}: ${repr(item)}`).join(', ')}}`;
  if (!Array.isArray(value)) throw cannotRender(`a value of type ${typeName(value)} is not text`);
  const items = Array.from(value, repr).join(', ');
  if (value instanceof Tuple) return value.length === 1 ? `(${items},)` : `(${items})`;
  return `[${items}]`;
}

/** `repr` of a float. */
function float(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value < 0 ? '-inf' : 'inf';
  const [digits, power] = value.toExponential().split('e') as [string, string];
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const negativeZero = Object.is(value, -0) ? '-' : '';
  // JavaScript writes more of the small numbers with an exponent.
  const plain =
    Math.abs(value) < 1e-6 && value !== 0
      ? value.toFixed(digits.replace(/\D/g, '').length - 1 - exponent)
      : String(value);
  return negativeZero + (plain.includes('.') ? plain : `${plain}.0`);
}

const ESCAPES = new Map([
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/** `repr` of a text. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\'\p{C}\p{Z}]/gu, (letter) => {
    if (letter === ' ') return letter;
    if (letter === "'") return quote === "'" ? "\\'" : letter;
    return ESCAPES.get(letter) ?? escapedPoint(letter.codePointAt(0) as number);
  });
  return quote + escaped + quote;
}

function escapedPoint(point: number): string {
  const [mark, digits] = point < 0x100 ? ['x', 2] : point < 0x10000 ? ['u', 4] : ['U', 8];
  return `\\${mark}${point.toString(16).padStart(digits as number, '0')}`;
}

/** The options of `json.dumps`. */
export interface JsonOptions {
  ensureAscii: boolean;
  indent: string | undefined;
  separators: readonly [string, string];
  sortKeys: boolean;
}

/** `json.dumps`. */
export function json(value: Value, options: JsonOptions, line = '\n'): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return jsonText(value, options.ensureAscii);
  const number = asNumber(value);
  if (number !== undefined) return value instanceof Float ? jsonFloat(number) : String(number);
  const inner = options.indent === undefined ? line : line + options.indent;
  if (Array.isArray(value)) {
    return group(
      '[',
      ']',
      Array.from(value, (item) => json(item, options, inner)),
      options,
      line,
    );
  }
  if (!(value instanceof Map)) throw cannotRender(`a value of type ${typeName(value)} is not JSON`);
  const fields = sorted(value, options.sortKeys).map(
    ([key, item]) => jsonText(jsonKey(key), options.ensureAscii) + options.separators[1] + json(item, options, inner),
  );
  return group('{', '}', fields, options, line);
}

function sorted(dict: Dict, sortKeys: boolean): [Value, Value][] {
  return sortKeys ? [...dict].sort(([a], [b]) => compare(a, b)) : [...dict];
}

function group(open: string, close: string, items: string[], options: JsonOptions, line: string): string {
  if (items.length === 0 || options.indent === undefined) return open + items.join(options.separators[0]) + close;
  const inner = line + options.indent;
  return open + inner + items.join(options.separators[0] + inner) + line + close;
}

function jsonFloat(value: number): string {
  return Number.isFinite(value) ? float(value) : Number.isNaN(value) ? 'NaN' : value < 0 ? '-Infinity' : 'Infinity';
}

function jsonKey(key: Value): string {
  if (key === null || typeof key === 'boolean') return String(key);
  if (typeof key === 'string') return key;
  if (asNumber(key) === undefined) throw cannotRender(`a value of type ${typeName(key)} is not a key in JSON`);
  return str(key);
}

function jsonText(text: string, ensureAscii: boolean): string {
  const escaped = JSON.stringify(text);
  if (!ensureAscii) return escaped;
  return escaped.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
