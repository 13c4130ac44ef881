import { throwIfAborted } from './abort.js';
import { forget, isCurrent, keep, kept, openCache } from './cache.js';
import { messageOf, PilotLightError } from './errors.js';
import type { Progress } from './progress.js';
import type { ModelFolder } from './resolve.js';
import type { FileRequest } from './types.js';

type Bytes = Uint8Array<ArrayBuffer>;

/** How files are fetched. */
export interface FetchOptions {
  useBrowserCache: boolean;
  progress: Progress;
  signal: AbortSignal;
}

/** Asked for without a wildcard, so that development servers do not answer a missing file with their index page. */
const ACCEPT = 'application/json, application/octet-stream';

/** Statuses after which the same request may succeed. */
const RETRYABLE_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * The bytes of the file that `request` names in `folder`, from the cache or from its server, checked
 * for their length and their digest; undefined for an optional file that is not there.
 *
 * @throws PilotLightError kind 'invalid-artefact' for a file that is missing or is not what it should
 * be, 'unsupported' where a digest cannot be computed.
 */
export async function fetchFile(folder: ModelFolder, request: FileRequest, options: FetchOptions): Promise<Bytes | undefined> {
  const url = fileUrl(folder, request.name);
  options.progress.initiate(request.name);
  const cache = options.useBrowserCache ? await openCache() : undefined;
  const old = await fromCache(cache, url, folder, request, options);
  if (old !== undefined) return old;

  const response = await get(url, options.signal);
  if (response.status === 404 || response.status === 410) {
    if (!request.optional) throw invalid(`${url} is not there (status ${response.status}).`);
    options.progress.absent(request.name);
    return undefined;
  }
  if (!response.ok) throw invalid(`${url} was refused with status ${response.status}.`, RETRYABLE_STATUS.has(response.status));
  options.progress.download(request.name);
  const total = request.bytes ?? announcedLength(response);
  const bytes = await readBody(url, response, total, (loaded) => {
    options.progress.progress(request.name, loaded, total === undefined ? undefined : Math.max(total, loaded));
  }, options.signal);
  if (isHtml(request.name, response, bytes)) {
    // A server that answers every address with its start page: the optional file is not there.
    if (request.optional) {
      options.progress.absent(request.name);
      return undefined;
    }
    throw invalid(`${url} is an HTML page, not the file that was asked for.`);
  }
  await check(url, request, bytes, response.type === 'basic' ? announcedLength(response) : undefined);
  await keep(cache, url, bytes, response.headers);
  finish(request.name, bytes, options.progress);
  return bytes;
}

/** The address of the file `name`; a model must not lead its user to another host. */
function fileUrl(folder: ModelFolder, name: string): string {
  const url = new URL(name, folder.url);
  if (url.origin !== new URL(folder.url).origin) throw invalid(`${folder.url} names a file on another host: ${url.href}`);
  return url.href;
}

async function fromCache(cache: Cache | undefined, url: string, folder: ModelFolder, request: FileRequest, options: FetchOptions): Promise<Bytes | undefined> {
  const response = await kept(cache, url);
  if (response === undefined) return undefined;
  try {
    const fixed = folder.immutable || request.sha256 !== undefined;
    if (!fixed && !(await isCurrent(url, response, options.signal))) throw invalid(`${url} has changed.`);
    options.progress.download(request.name);
    const bytes = new Uint8Array(await response.arrayBuffer());
    await check(url, request, bytes, Number(response.headers.get('content-length')));
    finish(request.name, bytes, options.progress);
    return bytes;
  } catch {
    // Whatever is wrong with the kept copy, the server's is asked for next and judged by itself.
    throwIfAborted(options.signal);
    await forget(cache, url);
    return undefined;
  }
}

async function get(url: string, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { headers: { accept: ACCEPT }, cache: 'no-cache', signal });
  } catch (cause) {
    throwIfAborted(signal);
    throw invalid(`${url} could not be fetched: ${messageOf(cause)}`, true, cause);
  }
}

/** The number of bytes that the body will have; unknown where it is compressed on the way. */
function announcedLength(response: Response): number | undefined {
  if (response.headers.get('content-encoding') !== null) return undefined;
  const length = Number(response.headers.get('content-length') ?? NaN);
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
}

/** The whole body, in one buffer that is as long as announced and grows where more comes. */
async function readBody(url: string, response: Response, total: number | undefined, onBytes: (loaded: number) => void, signal: AbortSignal): Promise<Bytes> {
  let loaded = 0;
  try {
    let buffer = new Uint8Array(total ?? 1 << 16);
    onBytes(0);
    const reader = response.body?.getReader();
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      if (loaded + part.value.length > buffer.length) {
        const larger = new Uint8Array(Math.max(2 * buffer.length, loaded + part.value.length));
        larger.set(buffer.subarray(0, loaded));
        buffer = larger;
      }
      buffer.set(part.value, loaded);
      loaded += part.value.length;
      onBytes(loaded);
    }
    return buffer.subarray(0, loaded);
  } catch (cause) {
    throwIfAborted(signal);
    throw invalid(`${url} broke off after ${loaded} bytes: ${messageOf(cause)}`, true, cause);
  }
}

/** Whether a page came where a model's file should be: by its type, or by how it begins. */
function isHtml(name: string, response: Response, bytes: Bytes): boolean {
  if (/^text\/html\b/i.test(response.headers.get('content-type') ?? '')) return true;
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 64)).replace(/^\xef\xbb\xbf/, '').trimStart();
  return name.endsWith('.json') ? start.startsWith('<') : /^<(!doctype|html|head)\b/i.test(start);
}

async function check(url: string, request: FileRequest, bytes: Bytes, announced: number | undefined): Promise<void> {
  const expected = request.bytes ?? announced;
  if (expected !== undefined && bytes.length !== expected) {
    throw invalid(`${url} has ${bytes.length} bytes where ${expected} were announced.`, bytes.length < expected);
  }
  if (request.sha256 === undefined) return;
  const digest = await sha256(bytes);
  if (digest !== request.sha256.toLowerCase()) throw invalid(`${url} has the digest ${digest}, not ${request.sha256}.`);
}

async function sha256(bytes: Bytes): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) {
    throw new PilotLightError('unsupported', 'The digest that this model names cannot be checked: the page is not a secure context (https, or localhost).');
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function finish(name: string, bytes: Bytes, progress: Progress): void {
  progress.progress(name, bytes.length, bytes.length);
  progress.done(name);
}

function invalid(message: string, retryable = false, cause?: unknown): PilotLightError {
  return new PilotLightError('invalid-artefact', message, { retryable, cause });
}
