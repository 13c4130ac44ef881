// Download of model files: from the cache or the server, with length and digest checked.
import type { FileRequest } from '../types.js';
import { openCache, remove } from './cache.js';
import { lockFile } from './file-lock.js';
import { fromCache } from './from-cache.js';
import { fromServer } from './from-server.js';
import { invalidFile } from './http.js';
import type { FetchOptions, RequestedFile, Sink } from './requested-file.js';

/** A folder of model files. */
export interface ModelFolder {
  /** The folder's absolute address, with a slash at its end. */
  url: string;
  /** Whether its files can never change, because its revision is a commit. */
  immutable: boolean;
}

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
  options.progress.initiate(request.name);
  const cache = options.useBrowserCache ? await openCache() : undefined;
  const wanted: RequestedFile = { url, request, cache, options };
  if (cache === undefined) return fromServer(wanted, sink);
  const cached = (): Promise<boolean> => fromCache(wanted, folder.immutable, sink);
  if (await cached()) return true;
  // Another load, here or in another tab, may be downloading the same file, and leaves it in the cache.
  return lockFile(url, options.signal, async () => (await cached()) || fromServer(wanted, sink));
}

/**
 * Takes the files `names` of `folder` out of the cache: they were refused, and the next load is to ask for them again.
 */
export async function forgetFiles(folder: ModelFolder, names: Iterable<string>): Promise<void> {
  const cache = await openCache();
  await Promise.all(Array.from(names, (name) => remove(cache, fileUrl(folder, name))));
}

/** The address of the file `name`; a model must not lead its user to another host. */
function fileUrl(folder: ModelFolder, name: string): string {
  const url = new URL(name, folder.url);
  const { protocol, host } = new URL(folder.url);
  // An address of an extension or an app may have no origin.
  if (url.protocol === protocol && url.host === host) return url.href;
  throw invalidFile(`${folder.url} names a file on another host: ${url.href}`);
}
