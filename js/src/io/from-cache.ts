// Model files from the cache, checked anew.
import { throwIfAborted } from '../shared/abort.js';
import { messageOf } from '../shared/errors.js';
import { contentOf, isCurrent, lengthOf, lookUp, remove } from './cache.js';
import { invalidFile } from './http.js';
import { checkDigest, checkLength, finish, type RequestedFile, type Sink } from './requested-file.js';
import { Sha256 } from './sha256.js';
import { readParts } from './stream.js';

/** Hands over the cached file, if there is one and it is the right one; false otherwise. */
export async function fromCache(wanted: RequestedFile, immutable: boolean, sink: Sink): Promise<boolean> {
  const { url, request, options } = wanted;
  const file = await cachedFile(wanted, immutable);
  if (file === undefined) return false;
  sink.expect(file.size);
  const broken = (cause: unknown): Error =>
    invalidFile(`${url} could not be read from the cache: ${messageOf(cause)}`, true, cause);
  for await (const part of readParts(file.stream(), options.signal, broken)) sink.write(part);
  finish(request.name, file.size, options.progress);
  return true;
}

/** The cached file, if it is the right one. */
async function cachedFile(wanted: RequestedFile, immutable: boolean): Promise<Blob | undefined> {
  const { url, request, cache, options } = wanted;
  const response = await lookUp(cache, url);
  if (response === undefined) return undefined;
  const hash = new Sha256(request.sha256 === undefined ? undefined : request.bytes);
  try {
    const fixed = immutable || request.sha256 !== undefined;
    if (!fixed && !(await isCurrent(url, response, options.signal))) throw invalidFile(`${url} has changed.`);
    options.progress.download(request.name);
    const file = await contentOf(response);
    if (file === undefined) throw invalidFile(`${url} could not be read from the cache.`);
    checkLength(url, file.size, request.bytes ?? lengthOf(response));
    if (request.sha256 !== undefined) await checkDigest(wanted, new Uint8Array(await file.arrayBuffer()), hash);
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
