import { abortable, throwIfAborted } from './abort.js';
import type { ReadyChain } from './chain.js';
import { type Env, env } from './env.js';
import { invalid } from './input.js';
import { CPU_BUILD_CHOICES, DEVICES, quoted } from './lists.js';
import type { ProgressCallback } from './progress.js';
import type { Args, LoadArgs, LoadResult, Op, Result } from './protocol.js';
import { absolutePaths, baseAddress, resolveFile, resolveModel } from './resolve.js';
import { acquire, type Model, type Supervisor } from './supervisor.js';
import type { Calibration, CascadeConfig, DeviceChoice, DeviceReport, DType, GraphOptions, Task } from './types.js';

/** How a model is loaded. */
export interface LoadingOptions {
  /** The device to run on; `'auto'` by default. What it became is told by `.device`. */
  device?: DeviceChoice;
  /** The type of numbers that its weights are wanted in, which is a choice of files. What it became is told by `.dtype`. */
  dtype?: DType;
  /** Whether the work is done in a worker (the default) or in the calling thread. */
  worker?: boolean;
  /** The revision of a model that comes from `env.remoteHost`: a commit. */
  revision?: string;
  /** Receives the progress of the load. */
  progress_callback?: ProgressCallback;
  /** Aborts the load. */
  signal?: AbortSignal;
}

/** How a model is loaded for a task. */
export type PipelineOptions = LoadingOptions;

/** What all loaded models have in common. */
export interface Disposable {
  /** The device in use, and why. It changes if the device is lost. */
  readonly device: DeviceReport;
  /** The type of numbers that its weights are in. */
  readonly dtype: DType;
  readonly task: Task;
  /** The labels that the model tells apart; empty where it has none. */
  readonly labels: readonly string[];
  /** Frees the model once its running calls have ended; later calls are refused. */
  dispose(): Promise<void>;
}

const OPTION_NAMES = new Set(['device', 'dtype', 'worker', 'revision', 'progress_callback', 'signal']);

/** One caller's model: what it may still be asked, and what is running on it. */
export class Handle implements Disposable {
  readonly #supervisor: Supervisor;
  readonly #release: () => void;
  readonly #model: Model;
  readonly #running = new Set<Promise<unknown>>();
  readonly #owned: (() => Promise<void>)[] = [];
  #disposed: Promise<void> | undefined;

  private constructor(supervisor: Supervisor, release: () => void, model: Model) {
    this.#supervisor = supervisor;
    this.#release = release;
    this.#model = model;
  }

  /** Loads `model` for `task`. */
  static load(task: Task, model: string, options: PipelineOptions): Promise<Handle> {
    return Handle.#load({ task, model }, ({ revision }) => ({ folder: folderOf(model, revision) }), options);
  }

  /** Loads the local models of a cascade. */
  static chain({ task, model, options, next }: ReadyChain, cascade: CascadeConfig): Promise<Handle> {
    const place = ({ revision }: LoadingOptions): Pick<LoadArgs, 'folder' | 'next'> => ({
      folder: folderOf(model, revision),
      ...(next.length > 0 && { next: next.map((one) => ({ ...one, folder: folderOf(one.model, one.revision) })) }),
    });
    return Handle.#load({ task, model, cascade }, place, options);
  }

  /** Loads the graph in the file `model`. */
  static graph(model: string, externalData: string[], graph: GraphOptions, options: LoadingOptions): Promise<Handle> {
    const place = ({ revision }: LoadingOptions): Pick<LoadArgs, 'folder' | 'graph'> => {
      const { folder, file } = resolveFile(model, revision, env, baseAddress());
      return { folder, graph: { file, externalData, options: graph } };
    };
    return Handle.#load({ task: 'model', model }, place, options);
  }

  static async #load(
    what: Pick<LoadArgs, 'task' | 'model' | 'cascade'>,
    place: (options: LoadingOptions) => Pick<LoadArgs, 'folder' | 'graph' | 'next'>,
    options: LoadingOptions,
  ): Promise<Handle> {
    const { device = 'auto', dtype, worker = true, progress_callback: onProgress, signal } = checked(options);
    throwIfAborted(signal);
    const args: LoadArgs = {
      ...what,
      ...place(options),
      options: { ...(dtype !== undefined && { dtype }) },
      useBrowserCache: env.useBrowserCache,
    };
    const { cpuBuild, numThreads } = checkedEnv(env);
    const { supervisor, release } = acquire(
      { device, wasmPaths: absolutePaths(env.wasmPaths, baseAddress()), cpuBuild, numThreads },
      worker,
    );
    try {
      return new Handle(supervisor, release, await supervisor.load(args, { signal, onProgress }));
    } catch (thrown) {
      release();
      throw thrown;
    }
  }

  get device(): DeviceReport {
    return this.#model.info.device;
  }

  /** What it told of itself when it was loaded. */
  get info(): LoadResult {
    return this.#model.info;
  }

  get task(): Task {
    return this.#model.args.task as Task;
  }

  get dtype(): DType {
    return this.info.dtype;
  }

  get labels(): readonly string[] {
    return this.info.labels;
  }

  /** What was known of how far a cascade's local models may be trusted when it was loaded. */
  get calibrations(): (Calibration | null)[] {
    return this.info.calibrations ?? [];
  }

  /** The thresholds that a cascade was made with, one for each local model. */
  get thresholds(): number[] {
    return this.info.thresholds ?? [];
  }

  /** Keeps the calibration of a cascade's local model for a fresh engine, should one be needed. */
  recalibrate(tier: number, calibration: Calibration): void {
    const { args } = this.#model;
    const local = args.cascade?.local?.map((one, i) => (i === tier ? { ...one, calibration } : one));
    if (local !== undefined) args.cascade = { ...args.cascade, local };
  }

  /** One call of the user's: refused after `dispose`, waited for by it. */
  async call<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    if (this.#disposed) throw invalid('This model was disposed of.');
    throwIfAborted(signal);
    const running = work();
    const ended = (): unknown => this.#running.delete(running);
    this.#running.add(running);
    running.then(ended, ended);
    return abortable(running, signal);
  }

  /** Asks the engine. */
  request<K extends Op>(op: K, args: Omit<Args<K>, 'key'>, signal?: AbortSignal): Promise<Result<K>> {
    return this.#supervisor.request(this.#model, op, args, signal);
  }

  /** Tells the engine something that it need not be woken for. */
  notify<K extends Op>(op: K, args: Omit<Args<K>, 'key'>): Promise<Result<K> | undefined> {
    return this.#supervisor.notify(this.#model, op, args);
  }

  /** Has `release` called when it is disposed of: what it has loaded beside itself goes with it. */
  owns(release: () => Promise<void>): void {
    this.#owned.push(release);
  }

  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      await Promise.allSettled(this.#running);
      await Promise.all([this.notify('dispose', {}), ...this.#owned.map((release) => release())]);
      this.#release();
    })();
    return this.#disposed;
  }
}

/** `call` with the properties of `handle`, as a function that is also the model. */
export function callable<F extends (...args: never[]) => unknown>(call: F, handle: Disposable): F & Disposable {
  return Object.defineProperties(call, {
    device: { get: () => handle.device, enumerable: true },
    dtype: { get: () => handle.dtype, enumerable: true },
    task: { value: handle.task, enumerable: true },
    labels: { get: () => handle.labels, enumerable: true },
    dispose: { value: () => handle.dispose(), enumerable: true },
  }) as F & Disposable;
}

function folderOf(model: string, revision: string | undefined): LoadArgs['folder'] {
  return resolveModel(model, revision, env, baseAddress());
}

function checked(options: LoadingOptions): LoadingOptions {
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.has(name));
  if (unknown !== undefined) throw invalid(`The option '${unknown}' is not known.`);
  if (options.device !== undefined && !DEVICES.includes(options.device)) {
    throw invalid(`The device must be one of ${quoted(DEVICES)}, not '${String(options.device)}'.`);
  }
  return options;
}

function checkedEnv({ cpuBuild, numThreads }: Env): Pick<Env, 'cpuBuild' | 'numThreads'> {
  if (!CPU_BUILD_CHOICES.includes(cpuBuild))
    throw invalid(`env.cpuBuild must be one of ${quoted(CPU_BUILD_CHOICES)}, not '${String(cpuBuild)}'.`);
  if (!Number.isInteger(numThreads) || numThreads < 0)
    throw invalid(`env.numThreads must be 0, 1 or more, not ${String(numThreads)}.`);
  return { cpuBuild, numThreads };
}
