import { throwIfAborted } from './abort.js';
import { type Bytes, parts, Whole } from './body.js';
import { forget, isCurrent, keep, kept, openCache } from './cache.js';
import { Digester } from './digest.js';
import { messageOf, PilotLightError } from './errors.js';
import type { Progress } from './progress.js';
import type { ModelFolder } from './resolve.js';
import type { FileRequest } from './types.js';

/** Where the bytes of a file go as they come. */
export interface Sink {
  /** Is told how many there will be, before the first, where that is known. */
  expect(bytes: number): void;
  /** Is given the next ones. */
  write(bytes: Bytes): void;
}

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
 * Hands `sink` the bytes of the file that `request` names in `folder`, from the cache or from its
 * server; whether it is there, which an optional file need not be. Its length and its digest are known
 * to be right when this returns, so that nothing may be built of the bytes before.
 *
 * @throws PilotLightError kind 'invalid-artefact' for a file that is missing or is not what it should
 * be, 'unsupported' where a digest cannot be computed; and what `sink` throws.
 */
export async function fetchFile(
  folder: ModelFolder,
  request: FileRequest,
  sink: Sink,
  options: FetchOptions,
): Promise<boolean> {
  const url = fileUrl(folder, request.name);
  const { progress, signal } = options;
  progress.initiate(request.name);
  const cache = options.useBrowserCache ? await openCache() : undefined;
  const old = await fromCache(cache, url, folder, request, options);
  if (old !== undefined) {
    sink.expect(old.size);
    for await (const part of parts(old.stream(), signal, (cause) =>
      invalid(`${url} could not be read from the cache: ${messageOf(cause)}`, true, cause),
    ))
      sink.write(part);
    finish(request.name, old.size, progress);
    return true;
  }

  const response = await get(url, signal);
  const absent = response.status === 404 || response.status === 410;
  if (absent && !request.optional) throw invalid(`${url} is not there (status ${response.status}).`);
  if (!absent && !response.ok)
    throw invalid(`${url} was refused with status ${response.status}.`, RETRYABLE_STATUS.has(response.status));
  if (absent || !(await receive(url, response, request, sink, cache, options))) {
    progress.absent(request.name);
    return false;
  }
  return true;
}

/** The body of `response`, if it is the file and not a page in the place of an optional one. */
async function receive(
  url: string,
  response: Response,
  request: FileRequest,
  sink: Sink,
  cache: Cache | undefined,
  options: FetchOptions,
): Promise<boolean> {
  const total = request.bytes ?? announcedLength(response);
  const digester = new Digester(request.sha256 === undefined ? undefined : total);
  try {
    return await receiveAll(url, response, total, request, sink, cache, digester, options);
  } finally {
    digester.end();
  }
}

async function receiveAll(
  url: string,
  response: Response,
  total: number | undefined,
  request: FileRequest,
  sink: Sink,
  cache: Cache | undefined,
  digester: Digester,
  { progress, signal }: FetchOptions,
): Promise<boolean> {
  // The browser digests only what is whole, and keeps only what was found right.
  const whole = cache !== undefined || request.sha256 !== undefined ? new Whole(total) : undefined;
  let loaded = 0;
  const broken = (cause: unknown): Error =>
    invalid(`${url} broke off after ${loaded} bytes: ${messageOf(cause)}`, true, cause);
  for await (const part of parts(response.body, signal, broken)) {
    if (loaded === 0) {
      if (isHtml(request.name, response, part)) {
        // A server that answers every address with its start page: the optional file is not there.
        if (request.optional) return false;
        throw invalid(`${url} is an HTML page, not the file that was asked for.`);
      }
      progress.download(request.name);
      if (total !== undefined) sink.expect(total);
    }
    sink.write(part);
    whole?.push(part);
    loaded += part.length;
    progress.progress(request.name, loaded, total === undefined ? undefined : Math.max(total, loaded));
  }
  checkLength(url, loaded, request.bytes ?? (response.type === 'basic' ? announcedLength(response) : undefined));
  if (whole !== undefined) {
    await keep(cache, url, await checked(url, whole.bytes, request.sha256, digester), response.headers);
  }
  finish(request.name, loaded, progress);
  return true;
}

/** The address of the file `name`; a model must not lead its user to another host. */
function fileUrl(folder: ModelFolder, name: string): string {
  const url = new URL(name, folder.url);
  if (url.origin !== new URL(folder.url).origin)
    throw invalid(`${folder.url} names a file on another host: ${url.href}`);
  return url.href;
}

/** The file as it is kept, if it is the one that is wanted. */
async function fromCache(
  cache: Cache | undefined,
  url: string,
  folder: ModelFolder,
  request: FileRequest,
  options: FetchOptions,
): Promise<Blob | undefined> {
  const response = await kept(cache, url);
  if (response === undefined) return undefined;
  const digester = new Digester(request.sha256 === undefined ? undefined : request.bytes);
  try {
    const fixed = folder.immutable || request.sha256 !== undefined;
    if (!fixed && !(await isCurrent(url, response, options.signal))) throw invalid(`${url} has changed.`);
    options.progress.download(request.name);
    const file = await response.blob();
    checkLength(url, file.size, request.bytes ?? Number(response.headers.get('content-length')));
    if (request.sha256 !== undefined)
      await checked(url, new Uint8Array(await file.arrayBuffer()), request.sha256, digester);
    return file;
  } catch {
    // Whatever is wrong with the kept copy, the server's is asked for next and judged by itself.
    throwIfAborted(options.signal);
    await forget(cache, url);
    return undefined;
  } finally {
    digester.end();
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

/** Whether a page came where a model's file should be: by its type, or by how it begins. */
function isHtml(name: string, response: Response, bytes: Bytes): boolean {
  if (/^text\/html\b/i.test(response.headers.get('content-type') ?? '')) return true;
  const start = new TextDecoder('latin1')
    .decode(bytes.subarray(0, 64))
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart();
  return name.endsWith('.json') ? start.startsWith('<') : /^<(!doctype|html|head)\b/i.test(start);
}

function checkLength(url: string, length: number, expected: number | undefined): void {
  if (expected === undefined || length === expected) return;
  throw invalid(`${url} has ${length} bytes where ${expected} were announced.`, length < expected);
}

/** The bytes, in a buffer that may be another, once they have the digest that is `expected`. */
async function checked(url: string, bytes: Bytes, expected: string | undefined, digester: Digester): Promise<Bytes> {
  if (expected === undefined) return bytes;
  const [digest, same] = await digester.sha256(bytes);
  if (digest !== expected.toLowerCase()) throw invalid(`${url} has the digest ${digest}, not ${expected}.`);
  return same;
}

function finish(name: string, bytes: number, progress: Progress): void {
  progress.progress(name, bytes, bytes);
  progress.done(name);
}

function invalid(message: string, retryable = false, cause?: unknown): PilotLightError {
  return new PilotLightError('invalid-artefact', message, { retryable, cause });
}
