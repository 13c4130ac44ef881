// Files for a loader: fetched as it asks for them, and handed over as they arrive.
import { fetchFile, forgetFiles, type ModelFolder } from '../io/fetch-file.js';
import type { Progress } from '../io/progress.js';
import { throwIfAborted } from '../shared/abort.js';
import { isTrap, toPilotLightError } from '../shared/errors.js';
import type { Device, FileRequest, Loader } from '../types.js';

/** Bytes of a file that are copied into WebAssembly at once: its memory never shrinks again. */
const SUPPLY_BYTES = 1 << 20;
/** Milliseconds without a part of any file after which the network is what the load waits for. */
const QUIET_MS = 4;

/** One model to be loaded: its loader, and where its files are. */
export interface Part {
  loader: Loader;
  /** The opened device, for this model. */
  device: Device;
  folder: ModelFolder;
  progress: Progress;
  /** The files that came through the cache, but for those whose digest is known to be right. */
  unproven: Set<string>;
}

/** The result of a step of `part`; files that it refuses are taken out of the cache, and the next load fetches them. */
export async function judged<T>({ folder, unproven }: Part, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (thrown) {
    const { kind, retryable } = toPilotLightError(thrown);
    const refused = !retryable && (kind === 'invalid-artefact' || kind === 'unsupported');
    if (refused || isTrap(thrown)) await forgetFiles(folder, unproven);
    throw thrown;
  }
}

/**
 * Gives the loader the files that it asks for, round after round; the files of a round are fetched
 * concurrently, and their bytes handed over as they arrive.
 */
export async function supply(part: Part, useBrowserCache: boolean, controller: AbortController): Promise<void> {
  const { loader } = part;
  for (let round = loader.wants(); round.length > 0; round = loader.wants()) {
    const state = { missing: round.length, received: 0 };
    const files = round.map((request) => supplyFile(part, request, state, useBrowserCache, controller.signal));
    try {
      await Promise.all(files);
    } catch (thrown) {
      // One file is wrong: the others are not waited for, but must have let go of the loader.
      controller.abort(thrown);
      await Promise.allSettled(files);
      throw thrown;
    }
  }
}

async function supplyFile(
  { loader, folder, progress, unproven }: Part,
  request: FileRequest,
  state: { missing: number; received: number },
  useBrowserCache: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { name } = request;
  const sink = {
    expect: (bytes: number): void => {
      throwIfAborted(signal);
      loader.expect(name, bytes);
    },
    write: (bytes: Uint8Array): void => {
      throwIfAborted(signal);
      state.received += 1;
      for (let at = 0; at < bytes.length; at += SUPPLY_BYTES) {
        loader.supply(name, bytes.subarray(at, at + SUPPLY_BYTES), false);
      }
    },
  };
  // Before it is there: the loader may refuse its first bytes.
  if (useBrowserCache && request.sha256 === undefined) unproven.add(name);
  const exists = await fetchFile(folder, request, sink, { useBrowserCache, progress, signal });
  state.missing -= 1;
  // Parsing a complete file occupies this thread. Other files that arrive at once are received first, so that it is
  // parsed while their digests are computed in another thread; where they take their time, it is parsed meanwhile.
  for (let before = -1; state.missing > 0 && before !== state.received; ) {
    before = state.received;
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
  throwIfAborted(signal);
  // Only now that the whole file was found right it is said to be complete.
  if (exists) loader.supply(name, new Uint8Array(0), true);
  else loader.missing(name);
}
