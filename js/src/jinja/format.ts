// Python's two ways to put values into a text: `'%s' % value` and `'{}'.format(value)`.
import { cannotRender } from './errors.js';
import type { Run } from './run.js';
import { asNumber, Tuple, typeName, type Value } from './values.js';
import { repr, str } from './writing.js';

const PERCENT = /%(?:\((\w+)\))?([-+ 0#]*)(\d+)?(?:\.(\d+))?([\s\S]?)/g;

/** `text % values`. */
export function format(run: Run, text: string, values: Value): string {
  const items = values instanceof Tuple ? [...values] : [values];
  let used = 0;
  const formatted = text.replace(
    PERCENT,
    (all, name: string, flags: string, width: string, precision: string, kind: string) => {
      if (kind === '%') return '%';
      const value = name === undefined ? items[used++] : values instanceof Map ? values.get(name) : undefined;
      if (value === undefined) throw cannotRender(`'${all}' has no value`);
      const digits = precision === undefined ? undefined : Number(precision);
      return pad(run, converted(kind, value, digits, flags), flags, Number(width ?? 0));
    },
  );
  if (used < items.length && !(values instanceof Map)) throw cannotRender('a text with fewer places than values');
  return formatted;
}

function converted(kind: string, value: Value, digits: number | undefined, flags: string): string {
  if (kind === 's') return str(value).slice(0, digits);
  if (kind === 'r') return repr(value);
  const number = asNumber(value);
  if (number === undefined) throw cannotRender(`'%${kind}' of a value of type ${typeName(value)}`);
  const sign = number >= 0 && flags.includes('+') ? '+' : '';
  if (kind === 'f') return sign + number.toFixed(Math.min(digits ?? 6, 100));
  if (kind === 'x') return sign + Math.trunc(number).toString(16);
  if (kind === 'd' || kind === 'i') return sign + String(Math.trunc(number));
  throw cannotRender(`'%${kind}' is not supported`);
}

function pad(run: Run, text: string, flags: string, width: number): string {
  run.spendText(width);
  if (flags.includes('-')) return text.padEnd(width);
  return flags.includes('0') ? text.padStart(width, '0') : text.padStart(width);
}

const BRACES = /\{\{|\}\}|\{(\w*)\}|[{}]/g;

/** `text.format(…)`: the last of `args` are those by name. */
export function formatBraces(run: Run, text: string, args: (Value | undefined)[]): string {
  const [named, places] = [args.at(-1) as Map<Value, Value>, args.slice(0, -1)];
  let used = 0;
  const found = (name: string): Value | undefined => {
    if (name === '') return places[used++];
    return /^\d+$/.test(name) ? places[Number(name)] : named.get(name);
  };
  return text.replace(BRACES, (all, name?: string) => {
    if (all === '{{' || all === '}}') return all.slice(1);
    if (name === undefined) throw cannotRender(`format: '${all}' alone, or with more than a name, is not supported`);
    const value = found(name);
    if (value === undefined) throw cannotRender(`format: '${all}' has no value`);
    return run.made(str(value));
  });
}
