// HTTP requests for model files.
import { throwIfAborted } from '../shared/abort.js';
import { messageOf, PilotLightError } from '../shared/errors.js';
import type { Bytes } from './stream.js';

/** Asked for without a wildcard, so that development servers do not answer a missing file with their index page. */
const ACCEPT = 'application/json, application/octet-stream';

/** Statuses after which the same request may succeed. */
export const RETRYABLE_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The response to a request for the file at `url`. */
export function ask(method: 'GET' | 'HEAD', url: string, cache: RequestCache, signal: AbortSignal): Promise<Response> {
  return fetch(url, { method, headers: { accept: ACCEPT }, cache, signal });
}

/**
 * The response at `url`, whatever its status. With `stored`, the file will be stored here and not in the browser's HTTP
 * cache: that one would give a file that was refused again for as long as its entity tag stays.
 */
export async function get(url: string, stored: boolean, signal: AbortSignal): Promise<Response> {
  try {
    return await ask('GET', url, stored ? 'no-store' : 'no-cache', signal);
  } catch (cause) {
    throwIfAborted(signal);
    throw invalidFile(`${url} could not be fetched: ${messageOf(cause)}`, true, cause);
  }
}

/** The number of bytes that the body will have; unknown where it is compressed on the way. */
export function announcedLength(response: Response): number | undefined {
  if (response.headers.get('content-encoding') !== null) return undefined;
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
}

/** Whether an HTML page came in the place of a model's file: by its type, or by its first bytes. */
export function isHtml(name: string, response: Response, bytes: Bytes): boolean {
  if (/^text\/html\b/i.test(response.headers.get('content-type') ?? '')) return true;
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, 64));
  const start = text.replace(/^\xef\xbb\xbf/, '').trimStart();
  return name.endsWith('.json') ? start.startsWith('<') : /^<(!doctype|html|head)\b/i.test(start);
}

/** An error about a model's file. */
export function invalidFile(message: string, retryable = false, cause?: unknown): PilotLightError {
  return new PilotLightError('invalid-artefact', message, { retryable, cause });
}
