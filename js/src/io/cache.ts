// The browser's cache of model files (Cache API).
import { within } from '../shared/abort.js';
import { ask, RETRYABLE_STATUS } from './http.js';
import type { Bytes } from './stream.js';

/** The name of the cache, for pages that want to clear it. */
const CACHE_NAME = 'pilot-light';

/** The response headers that tell one version of a file from another, the most exact first. */
const VALIDATORS = ['etag', 'last-modified'] as const;
/** The length that the server announced, which is another than the file's where it was compressed on the way. */
const SENT_LENGTH = 'pilot-light-sent-length';

/** A cache that is silent for longer than this is given up. */
const SILENT_MS = 10_000;
/** What the slowest storage writes in a millisecond. */
const BYTES_PER_MS = 5_000;
/** Whether the cache was given up in this thread: each further step would wait as long. */
let givenUp = false;

/** The browser's cache; undefined where it has no cache (an insecure context, storage switched off). */
export async function openCache(): Promise<Cache | undefined> {
  return givenUp ? undefined : answered(async () => globalThis.caches?.open(CACHE_NAME));
}

/** Stores `bytes` as the file at `url`. A cache that is full or gone only costs the next download. */
export async function store(cache: Cache | undefined, url: string, bytes: Bytes, from: Headers): Promise<void> {
  const headers = new Headers({ 'content-length': String(bytes.byteLength) });
  for (const name of VALIDATORS) {
    const value = from.get(name);
    if (value !== null) headers.set(name, value);
  }
  const sent = from.get('content-length');
  if (sent !== null) headers.set(SENT_LENGTH, sent);
  await answered(async () => cache?.put(url, new Response(bytes, { headers })), bytes.byteLength);
}

/** Stores that there is no file at `url`, for a page that is offline. */
export async function storeAbsence(cache: Cache | undefined, url: string): Promise<void> {
  await answered(async () => cache?.put(url, new Response(null, { status: 404 })));
}

/** The cached file at `url`, if there is one. */
export async function lookUp(cache: Cache | undefined, url: string): Promise<Response | undefined> {
  const response = await answered(async () => cache?.match(url));
  return response?.ok ? response : undefined;
}

/** Whether the server said, when it was last asked, that there is no file at `url`. */
export async function isKnownAbsent(cache: Cache | undefined, url: string): Promise<boolean> {
  return (await answered(async () => cache?.match(url)))?.status === 404;
}

/** The content of a cached file; undefined where it cannot be read. */
export async function contentOf(response: Response): Promise<Blob | undefined> {
  return answered(() => response.blob(), lengthOf(response));
}

/** The length of a cached file. */
export function lengthOf(response: Response): number {
  return Number(response.headers.get('content-length'));
}

/** Removes the file at `url`. */
export async function remove(cache: Cache | undefined, url: string): Promise<void> {
  await answered(async () => cache?.delete(url));
}

/**
 * Whether the file cached as `response` is still the server's, asked with a HEAD request: a folder
 * of the page's own changes under the same name while it is worked on. Without an answer, or from a server that is in
 * trouble, the cached file is used, which is what lets a page work offline.
 */
export async function isCurrent(url: string, response: Response, signal: AbortSignal): Promise<boolean> {
  try {
    const head = await ask('HEAD', url, 'no-cache', signal);
    if (head.ok) return isSameVersion(response.headers, head.headers);
    if (RETRYABLE_STATUS.has(head.status)) return true;
    // Some servers, and addresses that are signed, allow nothing but GET.
    const get = await ask('GET', url, 'no-cache', signal);
    void get.body?.cancel().catch(() => undefined);
    return get.ok ? isSameVersion(response.headers, get.headers) : RETRYABLE_STATUS.has(get.status);
  } catch {
    return !signal.aborted;
  }
}

/** Whether a file that was stored with the headers `then` has not changed, if the server says `now` of it. */
function isSameVersion(then: Headers, now: Headers): boolean {
  for (const name of VALIDATORS) {
    const [before, after] = [then.get(name), now.get(name)];
    // A server may send a validator with one method, or one encoding, and not with another.
    if (before !== null && after !== null) return opaque(before) === opaque(after);
  }
  // Nothing to compare is no sign of a change.
  const [sent, length] = [then.get(SENT_LENGTH), now.get('content-length')];
  if (length === null || (sent === null && now.get('content-encoding') !== null)) return true;
  return length === sent || length === then.get('content-length');
}

/**
 * A validator for the weak comparison: a proxy that compresses a file makes its entity tag a weak one. RFC 9110,
 * 8.8.3.2.
 */
function opaque(validator: string): string {
  return validator.replace(/^W\//, '');
}

/** The result of a step of the cache with so many bytes; undefined where it fails, or says nothing for too long. */
async function answered<T>(step: () => Promise<T>, bytes = 0): Promise<T | undefined> {
  const late = (): Error => {
    givenUp = true;
    return new Error('The cache does not answer.');
  };
  try {
    return await within(SILENT_MS + bytes / BYTES_PER_MS, undefined, step, late);
  } catch {
    return undefined;
  }
}
