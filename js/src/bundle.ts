// Workers of the bundle. Their addresses are literal, since a bundler must see all of them, and stand in the folder of the
// entry points, since a relative address in the sources must be the right one in `dist/` as well.
import { startWorker } from './shared/start-worker.js';

/** Starts a worker with an engine in it: the script at `address`, or the one of the bundle. */
export function startEngineWorker(address?: string): Worker {
  if (address !== undefined) return startWorker(() => new Worker(address, { type: 'module' }));
  return startWorker(() => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }));
}

/** Starts a worker that helps to compute. */
export function startComputeWorker(): Worker {
  return startWorker(() => new Worker(new URL('./compute-worker.js', import.meta.url), { type: 'module' }));
}

/** Starts a worker that computes digests. */
export function startSha256Worker(): Worker {
  return startWorker(() => new Worker(new URL('./sha256-worker.js', import.meta.url), { type: 'module' }));
}
