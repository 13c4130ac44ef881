// Plain data: copies of what a page's framework wraps.
import { tagOf } from './check.js';

/**
 * `value` with its arrays and plain objects copied, at any depth. Those of Vue and Svelte are proxies, which cannot be
 * posted to a worker, and which the page may change while a call runs.
 */
export function plain<T>(value: T): T {
  if (Array.isArray(value)) return value.map(plain) as T;
  if (tagOf(value) !== 'Object') return value;
  return Object.fromEntries(Object.entries(value as object).map(([name, part]) => [name, plain(part)])) as T;
}
