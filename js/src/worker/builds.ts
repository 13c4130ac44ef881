// Builds of the WebAssembly side in this thread: how they are started, and which of them have stopped.
import { BUILD_MODULES, type Wasm } from '../bundle.js';
import { isTrap, messageOf, PilotLightError } from '../shared/errors.js';
import type { Build } from '../types.js';
import { ComputePool } from './compute-pool.js';
import { detectFeatures, type WasmFeatures } from './wasm-features.js';

/** The builds of a thread. */
export interface Builds {
  /** Downloads and starts a build with this many threads, only when it is needed. */
  open(build: Build, address: string | undefined, threads: number): Promise<OpenBuild>;
  /**
   * Those that have trapped. Their glue holds one instance for the thread's life, so they
   * cannot be started afresh in it; a worker is replaced instead.
   */
  stopped: Set<Build>;
  /** What this browser supports, in this thread. */
  features(): WasmFeatures;
}

/** A build that runs. */
export interface OpenBuild {
  wasm: Wasm;
  /** How many threads share its work. */
  threads: number;
  /** Why they are fewer than requested. */
  fault?: string | undefined;
}

const running = new Map<Build, Promise<OpenBuild>>();

/** The builds of this thread. */
export const builds: Builds = { open: openOnce, stopped: new Set(), features: detectFeatures };

function openOnce(build: Build, address: string | undefined, threads: number): Promise<OpenBuild> {
  const opening = running.get(build) ?? openBuild(build, address, threads);
  running.set(build, opening);
  opening.catch(() => running.delete(build));
  return opening;
}

async function openBuild(build: Build, address: string | undefined, threads: number): Promise<OpenBuild> {
  const pool = new ComputePool(build === 'cpu-threads' ? threads - 1 : 0);
  try {
    const wasm = await BUILD_MODULES[build]();
    await wasm.default(address === undefined ? undefined : { module_or_path: address });
    const joined = threads > 1 && build === 'cpu-threads' ? await pool.join(wasm.instance()) : 0;
    return { wasm, threads: 1 + joined, fault: pool.fault };
  } catch (cause) {
    pool.end();
    const why = messageOf(cause);
    // A service worker may import nothing later.
    const advice = /\bimport\(\)/.test(why)
      ? " Import 'pilot-light/service-worker', which has everything in one file."
      : '';
    const message = `The build '${build}' could not be started: ${why}${advice}`;
    throw new PilotLightError('backend-unavailable', message, { retryable: true, cause });
  }
}

/**
 * The result of a call into WebAssembly. A panic after the call's first wait leaves its promise
 * pending for ever and surfaces only as an uncaught error of this thread; it ends the call here.
 */
export async function trapped<T>(call: () => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const trap = new Promise<never>((_, reject) => {
    const onError = (event: ErrorEvent): void => {
      if (!isTrap(event.error)) return;
      event.preventDefault();
      reject(event.error);
    };
    globalThis.addEventListener?.('error', onError, { signal: controller.signal });
  });
  try {
    return await Promise.race([call(), trap]);
  } finally {
    controller.abort();
  }
}
