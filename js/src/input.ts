import { PilotLightError } from './errors.js';

/** One text or several, as a list. An empty text is a text: the model says what it makes of it. */
export function toInputs(texts: unknown): string[] {
  if (typeof texts === 'string') return [texts];
  if (!Array.isArray(texts)) throw invalid(`The input must be a string or an array of strings, not ${named(texts)}.`);
  const wrong = texts.findIndex((text) => typeof text !== 'string');
  if (wrong >= 0) throw invalid(`Input ${wrong} must be a string, not ${named(texts[wrong])}.`);
  return texts as string[];
}

/** The options of a call without its signal, which is not for the model. */
export function splitSignal<T extends { signal?: AbortSignal | undefined }>(
  options: T | undefined,
): { signal: AbortSignal | undefined; rest: Omit<T, 'signal'> } {
  if (options !== undefined && (typeof options !== 'object' || options === null))
    throw invalid(`The options must be an object, not ${named(options)}.`);
  const { signal, ...rest } = options ?? ({} as T);
  return { signal, rest };
}

/**
 * `value`, if all numbers in it are some; `name` is what it is called. In JSON, in which it goes on, one that is none is
 * `null`, and what is `null` is not given: a cap of NaN would be no cap.
 */
export function checkedNumbers<T>(name: string, value: T): T {
  if (value === null || (typeof value === 'number' && !Number.isFinite(value)))
    throw invalid(`${name} is ${String(value)}, which is no number.`);
  if (typeof value === 'object')
    for (const [key, part] of Object.entries(value as object)) checkedNumbers(`${name}.${key}`, part);
  return value;
}

/** An error about what the caller passed. */
export function invalid(message: string, cause?: unknown): PilotLightError {
  return new PilotLightError('invalid-input', message, { cause });
}

function named(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}
