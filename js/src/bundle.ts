// Addresses relative to the bundle: the builds of the WebAssembly side and the scripts of the workers. They stand in
// the folder of the entry points, since a relative address in the sources must be the right one in `dist/` as well,
// and are literal, since a bundler must see all of them.
import { startWorker } from './shared/start-worker.js';
import type { Build } from './types.js';
import type * as Module from './wasm/cpu/pilot_light.js';

/** The WebAssembly side. All builds have the same interface, except for what their instances export to their glue. */
export type Wasm = Omit<typeof Module, 'default' | 'initSync'> & {
  default(options?: { module_or_path: string }): Promise<unknown>;
};

/**
 * The glue code of each build. The page's own thread imports it when it is needed; the scripts of workers have it in
 * them.
 */
export const BUILD_MODULES: Record<Build, () => Promise<Wasm>> = {
  cpu: () => import('./wasm/cpu/pilot_light.js'),
  'cpu-relaxed': () => import('./wasm/cpu-relaxed/pilot_light.js'),
  'cpu-threads': () => import('./wasm/cpu-threads/pilot_light.js'),
  gpu: () => import('./wasm/gpu/pilot_light.js'),
};

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
