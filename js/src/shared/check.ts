// Input validation: checks of what a page passes in.
import { invalidInput } from './errors.js';

/** One text or several, as a list. An empty text is a text: what it means is up to the model. */
export function toTexts(texts: unknown): string[] {
  if (typeof texts === 'string') return [texts];
  if (!Array.isArray(texts)) {
    throw invalidInput(`The input must be a string or an array of strings, got ${describe(texts)}.`);
  }
  const wrong = texts.findIndex((text) => typeof text !== 'string');
  if (wrong >= 0) throw invalidInput(`Input ${wrong} must be a string, got ${describe(texts[wrong])}.`);
  // A copy: the page may change its array while the call runs.
  return Array.from(texts as string[]);
}

/** The options of a call without its signal, which is not for the model. */
export function splitSignal<T extends { signal?: AbortSignal | undefined }>(
  options: T | undefined,
): { signal: AbortSignal | undefined; rest: Omit<T, 'signal'> } {
  if (options !== undefined && (typeof options !== 'object' || options === null)) {
    throw invalidInput(`The options must be an object, got ${describe(options)}.`);
  }
  const { signal, ...rest } = options ?? ({} as T);
  return { signal, rest };
}

/** Refuses an option of `given` that is not in `known`; `prefix` is the path to it, such as `'remote.'`. */
export function refuseUnknown(prefix: string, given: object, known: readonly PropertyKey[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw invalidInput(`Unknown option '${prefix}${unknown}'; known options: ${known.join(', ')}.`);
}

/**
 * `value`, if all numbers in it are finite; `name` is its path in messages. In the JSON that is made of it, NaN and
 * infinity would become `null`, and `null` is an option that was not given: a cap of NaN would be no cap.
 */
export function checkFinite<T>(name: string, value: T): T {
  if (value === null || (typeof value === 'number' && !Number.isFinite(value))) {
    throw invalidInput(`${name} must be a finite number, got ${String(value)}.`);
  }
  if (typeof value === 'object') {
    for (const [key, part] of Object.entries(value as object)) checkFinite(`${name}.${key}`, part);
  }
  return value;
}

/** What `value` is, for a message: its class or its type. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  const name = typeof value === 'object' ? tagOf(value) : typeof value;
  return `${/^[AEIOU]/i.test(name) ? 'an' : 'a'} ${name}`;
}

/** The class of an object, by its tag: it may come from another frame, where `instanceof` does not know it. */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}
