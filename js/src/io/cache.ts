// The browser's cache of model files (Cache API).

/** The name of the cache, for pages that want to clear it. */
const CACHE_NAME = 'pilot-light';

/** The response headers that tell one version of a file from another. */
const VALIDATORS = ['etag', 'last-modified'] as const;

/** The browser's cache; undefined where it has no cache (an insecure context, storage switched off). */
export async function openCache(): Promise<Cache | undefined> {
  try {
    return await globalThis.caches?.open(CACHE_NAME);
  } catch {
    return undefined;
  }
}

/** Stores `bytes` as the file at `url`. A cache that is full or gone only costs the next download. */
export async function store(
  cache: Cache | undefined,
  url: string,
  bytes: Uint8Array<ArrayBuffer>,
  from: Headers,
): Promise<void> {
  const headers = new Headers({ 'content-length': String(bytes.byteLength) });
  for (const name of VALIDATORS) {
    const value = from.get(name);
    if (value !== null) headers.set(name, value);
  }
  await cache?.put(url, new Response(bytes, { headers })).catch(() => undefined);
}

/** The cached file at `url`, if there is one. */
export async function lookUp(cache: Cache | undefined, url: string): Promise<Response | undefined> {
  return cache?.match(url).catch(() => undefined);
}

/** Removes the file at `url`. */
export async function remove(cache: Cache | undefined, url: string): Promise<void> {
  await cache?.delete(url).catch(() => undefined);
}

/**
 * Whether the file cached as `response` is still the server's, asked with a HEAD request: a folder
 * of the page's own changes under the same name while it is worked on. Without an answer the cached
 * file is used, which is what lets a page work offline.
 */
export async function isCurrent(url: string, response: Response, signal: AbortSignal | undefined): Promise<boolean> {
  let head: Response;
  try {
    head = await fetch(url, { method: 'HEAD', cache: 'no-cache', signal: signal ?? null });
  } catch {
    return !signal?.aborted;
  }
  if (!head.ok) return false;
  for (const name of VALIDATORS) {
    const now = head.headers.get(name);
    if (now !== null) return now === response.headers.get(name);
  }
  return head.headers.get('content-length') === response.headers.get('content-length');
}
