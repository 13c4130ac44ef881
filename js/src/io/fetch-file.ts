// Download of model files: from the cache or the server, with length and digest checked.
import { throwIfAborted } from '../shared/abort.js';
import { messageOf } from '../shared/errors.js';
import type { FileRequest } from '../types.js';
import { isCurrent, lookUp, openCache, remove, store } from './cache.js';
import { announcedLength, get, invalidFile, isHtml } from './http.js';
import type { Progress } from './progress.js';
import { Sha256 } from './sha256.js';
import { ByteBuffer, type Bytes, readParts } from './stream.js';

/** A folder of model files. */
export interface ModelFolder {
  /** The folder's absolute address, with a slash at its end. */
  url: string;
  /** Whether its files can never change, because its revision is a commit. */
  immutable: boolean;
}

/** Receives the bytes of a file as they arrive. */
export interface Sink {
  /** Called before the first bytes with their total count, where it is known. */
  expect(bytes: number): void;
  /** Called with the next bytes. */
  write(bytes: Bytes): void;
}

/** How files are fetched. */
export interface FetchOptions {
  useBrowserCache: boolean;
  progress: Progress;
  signal: AbortSignal;
}

/** The file that is being fetched. */
interface Download {
  url: string;
  request: FileRequest;
  cache: Cache | undefined;
  options: FetchOptions;
}

/** Statuses after which the same request may succeed. */
const RETRYABLE_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Hands `sink` the bytes of the file that `request` names in `folder`, from the cache or from its
 * server, and returns whether the file exists, which an optional one need not. Its length and its digest are known
 * to be right only when this returns, so nothing may be built from the bytes before.
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
  const download: Download = { url, request, cache, options };
  const cached = await fromCache(download, folder.immutable);
  if (cached !== undefined) {
    sink.expect(cached.size);
    const broken = (cause: unknown): Error =>
      invalidFile(`${url} could not be read from the cache: ${messageOf(cause)}`, true, cause);
    for await (const part of readParts(cached.stream(), signal, broken)) sink.write(part);
    finish(request.name, cached.size, progress);
    return true;
  }
  const response = await get(url, signal);
  const absent = response.status === 404 || response.status === 410;
  if (absent && !request.optional) throw invalidFile(`${url} is not there (status ${response.status}).`);
  if (!absent && !response.ok) {
    const retryable = RETRYABLE_STATUS.has(response.status);
    throw invalidFile(`${url} was refused with status ${response.status}.`, retryable);
  }
  if (absent || !(await receive(download, response, sink))) {
    progress.absent(request.name);
    return false;
  }
  return true;
}

/** Hands over the body of `response`; false if it is an HTML page in the place of an optional file. */
async function receive(download: Download, response: Response, sink: Sink): Promise<boolean> {
  const { url, request, cache, options } = download;
  const total = request.bytes ?? announcedLength(response);
  const hash = new Sha256(request.sha256 === undefined ? undefined : total);
  // The browser digests only whole files, and only what was found right is stored.
  const whole = cache !== undefined || request.sha256 !== undefined ? new ByteBuffer(total) : undefined;
  try {
    const loaded = await receiveParts(download, response, total, sink, whole);
    if (loaded === undefined) return false;
    checkLength(url, loaded, request.bytes ?? (response.type === 'basic' ? announcedLength(response) : undefined));
    if (whole) await store(cache, url, await checkDigest(download, whole.bytes, hash), response.headers);
    finish(request.name, loaded, options.progress);
    return true;
  } finally {
    hash.end();
  }
}

/** How many bytes `sink` and `whole` got; undefined for an HTML page in the place of an optional file. */
async function receiveParts(
  { url, request: { name, optional }, options: { progress, signal } }: Download,
  response: Response,
  total: number | undefined,
  sink: Sink,
  whole: ByteBuffer | undefined,
): Promise<number | undefined> {
  let loaded = 0;
  const broken = (cause: unknown): Error =>
    invalidFile(`${url} broke off after ${loaded} bytes: ${messageOf(cause)}`, true, cause);
  for await (const part of readParts(response.body, signal, broken)) {
    if (loaded === 0) {
      // A server that answers every address with its start page: the optional file does not exist.
      if (isHtml(name, response, part)) {
        if (optional) return undefined;
        throw invalidFile(`${url} is an HTML page, not the requested file.`);
      }
      progress.download(name);
      if (total !== undefined) sink.expect(total);
    }
    sink.write(part);
    whole?.push(part);
    loaded += part.length;
    progress.progress(name, loaded, total === undefined ? undefined : Math.max(total, loaded));
  }
  return loaded;
}

/** The cached file, if it is the right one. */
async function fromCache(download: Download, immutable: boolean): Promise<Blob | undefined> {
  const { url, request, cache, options } = download;
  const response = await lookUp(cache, url);
  if (response === undefined) return undefined;
  const hash = new Sha256(request.sha256 === undefined ? undefined : request.bytes);
  try {
    const fixed = immutable || request.sha256 !== undefined;
    if (!fixed && !(await isCurrent(url, response, options.signal))) throw invalidFile(`${url} has changed.`);
    options.progress.download(request.name);
    const file = await response.blob();
    checkLength(url, file.size, request.bytes ?? Number(response.headers.get('content-length')));
    if (request.sha256 !== undefined) await checkDigest(download, new Uint8Array(await file.arrayBuffer()), hash);
    return file;
  } catch {
    // Whatever is wrong with the cached copy, the server's is fetched next and judged by itself.
    throwIfAborted(options.signal);
    await remove(cache, url);
    return undefined;
  } finally {
    hash.end();
  }
}

/** The address of the file `name`; a model must not lead its user to another host. */
function fileUrl(folder: ModelFolder, name: string): string {
  const url = new URL(name, folder.url);
  if (url.origin === new URL(folder.url).origin) return url.href;
  throw invalidFile(`${folder.url} names a file on another host: ${url.href}`);
}

function checkLength(url: string, length: number, expected: number | undefined): void {
  if (expected === undefined || length === expected) return;
  throw invalidFile(`${url} has ${length} bytes, expected ${expected}.`, length < expected);
}

/** The bytes, in a buffer that may be another, once their digest is found to be the expected one. */
async function checkDigest({ url, request: { sha256 } }: Download, bytes: Bytes, hash: Sha256): Promise<Bytes> {
  if (sha256 === undefined) return bytes;
  const [digest, same] = await hash.digest(bytes);
  if (digest !== sha256.toLowerCase()) throw invalidFile(`${url} has the digest ${digest}, expected ${sha256}.`);
  return same;
}

function finish(name: string, bytes: number, progress: Progress): void {
  progress.progress(name, bytes, bytes);
  progress.done(name);
}
