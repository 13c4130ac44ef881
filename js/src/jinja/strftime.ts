// Python's `strftime`, in English and on the clock of the place.
import { cannotRender } from './errors.js';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** The number a code stands for, and how many digits it has at least. */
const NUMBERS: Readonly<Record<string, [of: (time: Date) => number, digits: number, fill?: string]>> = {
  Y: [(time) => time.getFullYear(), 1],
  y: [(time) => time.getFullYear() % 100, 2],
  m: [(time) => time.getMonth() + 1, 2],
  d: [(time) => time.getDate(), 2],
  e: [(time) => time.getDate(), 2, ' '],
  j: [yearDay, 3],
  H: [(time) => time.getHours(), 2],
  I: [(time) => time.getHours() % 12 || 12, 2],
  M: [(time) => time.getMinutes(), 2],
  S: [(time) => time.getSeconds(), 2],
  u: [(time) => time.getDay() || 7, 1],
  w: [(time) => time.getDay(), 1],
};

const NAMES: Readonly<Record<string, (time: Date) => string>> = {
  A: (time) => DAYS[time.getDay()] as string,
  a: (time) => (DAYS[time.getDay()] as string).slice(0, 3),
  B: (time) => MONTHS[time.getMonth()] as string,
  b: (time) => (MONTHS[time.getMonth()] as string).slice(0, 3),
  h: (time) => (MONTHS[time.getMonth()] as string).slice(0, 3),
  p: (time) => (time.getHours() < 12 ? 'AM' : 'PM'),
  // Of a time that knows no zone.
  Z: () => '',
  z: () => '',
  '%': () => '%',
};

/** Codes that stand for several. */
const SHORTHANDS = new Map([
  ['D', '%m/%d/%y'],
  ['F', '%Y-%m-%d'],
  ['R', '%H:%M'],
  ['T', '%H:%M:%S'],
]);

/** `time` in the form that `format` asks for. */
export function strftime(time: Date, format: string): string {
  return format.replace(/%(-?)([\s\S]?)/g, (all, plain: string, code: string) => {
    const shorthand = SHORTHANDS.get(code);
    if (shorthand !== undefined) return strftime(time, shorthand);
    if (Object.hasOwn(NUMBERS, code)) {
      const [of, digits, fill = '0'] = NUMBERS[code] as [(time: Date) => number, number, string?];
      return String(of(time)).padStart(plain === '-' ? 0 : digits, fill);
    }
    if (!Object.hasOwn(NAMES, code)) throw cannotRender(`strftime_now: '${all}' is not supported`);
    return (NAMES[code] as (time: Date) => string)(time);
  });
}

function yearDay(time: Date): number {
  const midnight = (month: number, day: number): number => Date.UTC(time.getFullYear(), month, day);
  return (midnight(time.getMonth(), time.getDate()) - midnight(0, 0)) / 86_400_000;
}
