// Model files from their server: received as they arrive, checked, and stored once they were found right.
import { throwIfAborted } from '../shared/abort.js';
import { messageOf } from '../shared/errors.js';
import { isKnownAbsent, store, storeAbsence } from './cache.js';
import { announcedLength, get, invalidFile, isHtml, RETRYABLE_STATUS } from './http.js';
import { checkDigest, checkLength, finish, type RequestedFile, type Sink } from './requested-file.js';
import { Sha256 } from './sha256.js';
import { ByteBuffer, readParts } from './stream.js';

/** Statuses of a file that does not exist: 204 and 205 have no content. */
const ABSENT_STATUS: ReadonlySet<number> = new Set([204, 205, 404, 410]);
/** A bucket whose files may not be listed answers like this for a file that it does not have. */
const FORBIDDEN = 403;

/** Hands over the server's file; false for an optional one that does not exist. */
export async function fromServer(wanted: RequestedFile, sink: Sink): Promise<boolean> {
  const { url, request, cache, options } = wanted;
  const response = await respond(wanted);
  if (response !== undefined) {
    if (isThere(wanted, response) && (await receive(wanted, response, sink))) return true;
    await storeAbsence(cache, url);
  }
  options.progress.absent(request.name);
  return false;
}

/** Whether the server has the file, which only an optional one need not be. */
function isThere({ url, request: { optional } }: RequestedFile, { status, ok }: Response): boolean {
  const absent = ABSENT_STATUS.has(status);
  if (optional && (absent || status === FORBIDDEN)) return false;
  if (absent) throw invalidFile(`${url} is not there (status ${status}).`);
  if (ok) return true;
  throw invalidFile(`${url} was refused with status ${status}.`, RETRYABLE_STATUS.has(status));
}

/** The server's response; undefined for an optional file that is known to be absent by a page that is offline. */
async function respond({ url, request, cache, options }: RequestedFile): Promise<Response | undefined> {
  try {
    return await get(url, cache !== undefined, options.signal);
  } catch (thrown) {
    throwIfAborted(options.signal);
    // A file that an extension or an app does not have is no fault of a network that it does not use.
    const packaged = !/^https?:/.test(url);
    if (request.optional && (packaged || (await isKnownAbsent(cache, url)))) return undefined;
    throw thrown;
  }
}

/** Hands over the body of `response`; false if it is an HTML page in the place of an optional file. */
async function receive(wanted: RequestedFile, response: Response, sink: Sink): Promise<boolean> {
  const { url, request, cache, options } = wanted;
  const total = request.bytes ?? announcedLength(response);
  const hash = new Sha256(request.sha256 === undefined ? undefined : total);
  // The browser digests only whole files, and only what was found right is stored.
  const whole = cache !== undefined || request.sha256 !== undefined ? new ByteBuffer(total) : undefined;
  try {
    const loaded = await receiveParts(wanted, response, total, sink, whole);
    if (loaded === undefined) return false;
    checkLength(url, loaded, request.bytes ?? (response.type === 'basic' ? announcedLength(response) : undefined));
    if (whole) await store(cache, url, await checkDigest(wanted, whole.bytes, hash), response.headers);
    finish(request.name, loaded, options.progress);
    return true;
  } finally {
    hash.end();
  }
}

/** How many bytes `sink` and `whole` got; undefined for an HTML page in the place of an optional file. */
async function receiveParts(
  { url, request: { name, optional }, options: { progress, signal } }: RequestedFile,
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
