// Handle of a loaded model: what its owner may still ask, and the calls that are running on it.

import type { LoadArgs, LoadResult } from '../protocol/loading.js';
import type { RequestOptions } from '../protocol/messages.js';
import type { Args, Op, Result } from '../protocol/requests.js';
import { abortable, throwIfAborted } from '../shared/abort.js';
import { baseAddress } from '../shared/base-address.js';
import { invalidInput } from '../shared/errors.js';
import type { Lease } from '../shared/shared-map.js';
import type { Task } from '../tasks/index.js';
import type { Calibration, DeviceReport } from '../types.js';
import { env } from './env.js';
import { checkEnv, checkLoadingOptions, type LoadingOptions } from './load-options.js';
import { absolutePaths, workerAddress } from './resolve.js';
import { acquireSupervisor, type LoadedModel, type Supervisor } from './supervisor.js';

/** What all loaded models have in common. */
export interface Disposable {
  /** The device in use, and why. It changes if the device is lost. */
  readonly device: DeviceReport;
  /**
   * The type of the weights, as their file has them: a `DType`, `bf16`, or how a GGUF file was quantised, such as
   * `q4_k_m`.
   */
  readonly dtype: string;
  readonly task: Task;
  /** The labels of the model; empty where it has none. */
  readonly labels: readonly string[];
  /** Frees the model once its running calls have ended; later calls are refused. */
  dispose(): Promise<void>;
}

/** One owner's model. */
export class Handle {
  readonly #lease: Lease<Supervisor>;
  readonly #model: LoadedModel;
  readonly #running = new Set<Promise<unknown>>();
  readonly #owned: (() => Promise<void>)[] = [];
  #disposed: Promise<void> | undefined;

  private constructor(lease: Lease<Supervisor>, model: LoadedModel) {
    this.#lease = lease;
    this.#model = model;
  }

  /** Loads `what`. */
  static async load(what: Omit<LoadArgs, 'useBrowserCache'>, options: LoadingOptions): Promise<Handle> {
    checkLoadingOptions(options);
    // A service worker, and a shared one in some browsers, can start none.
    const {
      device = 'auto',
      worker = globalThis.Worker !== undefined,
      progress_callback: onProgress,
      signal,
    } = options;
    throwIfAborted(signal);
    const base = baseAddress();
    const settings = { device, wasmPaths: absolutePaths(env.wasmPaths, base), ...checkEnv(env) };
    const lease = acquireSupervisor(settings, worker, workerAddress(env, base));
    try {
      const args = { ...what, useBrowserCache: env.useBrowserCache };
      return new Handle(lease, await lease.value.load(args, { signal, onProgress }));
    } catch (thrown) {
      void lease.release();
      throw thrown;
    }
  }

  /** The device in use. */
  get device(): DeviceReport {
    return this.#model.info.device;
  }

  /** What the model reported when it was loaded. */
  get info(): LoadResult {
    return this.#model.info;
  }

  /** Keeps the calibration of a cascade's local model for a fresh engine, should one be needed. */
  recalibrate(tier: number, calibration: Calibration): void {
    const { cascade } = this.#model.args;
    const local = cascade?.config.local?.map((one, i) => (i === tier ? { ...one, calibration } : one));
    if (cascade && local) cascade.config = { ...cascade.config, local };
  }

  /** One call of the owner's: refused after `dispose`, waited for by it. */
  async call<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    if (this.#disposed) throw invalidInput('This model was disposed of.');
    throwIfAborted(signal);
    const running = work();
    const ended = (): unknown => this.#running.delete(running);
    this.#running.add(running);
    running.then(ended, ended);
    return abortable(running, signal);
  }

  /** Sends a request to the engine. */
  request<K extends Op>(
    op: K,
    args: Omit<Args<K>, 'key'>,
    signal?: AbortSignal,
    onPiece?: RequestOptions['onPiece'],
  ): Promise<Result<K>> {
    return this.#lease.value.request(this.#model, op, args, { signal, onPiece });
  }

  /** Sends a request to the engine if it is running: no engine is started for it. */
  notify<K extends Op>(op: K, args: Omit<Args<K>, 'key'>): Promise<Result<K> | undefined> {
    return this.#lease.value.notify(this.#model, op, args);
  }

  /** Has `release` called on disposal: what else was loaded for this model goes with it. */
  owns(release: () => Promise<void>): void {
    this.#owned.push(release);
  }

  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      await Promise.allSettled(this.#running);
      await Promise.all([this.notify('dispose', {}), ...this.#owned.map((release) => release())]);
      await this.#lease.release();
    })();
    return this.#disposed;
  }
}

/** `call` with the properties of `handle`, as a function that is also the model. */
export function callable<F extends (...args: never[]) => unknown>(
  call: F,
  handle: Pick<Handle, 'device' | 'info' | 'dispose'>,
  task: Task,
): F & Disposable {
  return Object.defineProperties(call, {
    device: { get: () => handle.device, enumerable: true },
    dtype: { get: () => handle.info.dtype, enumerable: true },
    task: { value: task, enumerable: true },
    labels: { get: () => handle.info.labels, enumerable: true },
    dispose: { value: () => handle.dispose(), enumerable: true },
  }) as F & Disposable;
}
