// File lock: of all threads and tabs of this origin that want the same file, one downloads it.
import { throwIfAborted } from '../shared/abort.js';

/** Runs `download` of the file at `url` while no other one of it runs; at once where there are no locks. */
export async function lockFile<T>(url: string, signal: AbortSignal, download: () => Promise<T>): Promise<T> {
  let running: Promise<T> | undefined;
  const start = (): Promise<T> => {
    running = download();
    return running;
  };
  try {
    await globalThis.navigator?.locks?.request(`pilot-light/${url}`, { signal }, start);
  } catch {
    throwIfAborted(signal);
    // What the download itself throws comes below; a frame without storage is refused its locks.
  }
  return running ?? download();
}
