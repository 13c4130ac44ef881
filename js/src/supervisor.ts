import { abortable, throwIfAborted } from './abort.js';
import { InPlaceConnection, WorkerConnection } from './connection.js';
import { deviceOf } from './device.js';
import type { PilotLightError } from './errors.js';
import type { Args, Connection, LoadArgs, LoadResult, Op, RequestOptions, Result, StartArgs } from './protocol.js';
import type { DeviceReport } from './types.js';

/** A loaded model. Its facts may change when it is loaded again into a fresh engine. */
export interface Model {
  readonly key: number;
  readonly args: LoadArgs;
  info: LoadResult & { device: DeviceReport };
}

/** An engine that was started, and what was loaded into it. */
interface Started {
  connection: Connection;
  report: Promise<DeviceReport>;
  device: DeviceReport | undefined;
  generation: number;
  loads: Map<number, Promise<LoadResult>>;
}

type Settings = Pick<StartArgs, 'device' | 'wasmPaths' | 'cpuBuild' | 'numThreads'>;

/**
 * Keeps an engine alive. One that has died is replaced at the next request, and the models are
 * loaded into the fresh one as they are asked for. A death on the GPU is taken for the loss of the
 * device, since GPU errors panic: the fresh engine is on the CPU, and what was pending is asked once
 * more. After a panic on the CPU, what was pending is rejected: the same input might panic again.
 */
export class Supervisor {
  #current: Started | undefined;
  #fallback: string | undefined;
  #generation = 0;
  #lastKey = 0;

  constructor(
    readonly connect: () => Connection,
    readonly settings: Settings,
  ) {}

  /** Loads a model. */
  async load(args: LoadArgs, options: RequestOptions): Promise<Model> {
    const key = ++this.#lastKey;
    return this.#attempt(options.signal, async (started) => {
      try {
        const result = await this.#load(started, key, args, options);
        return { key, args, info: { ...result, device: deviceOf(await started.report, result.dtype, args) } };
      } catch (thrown) {
        // An abort may cross the answer on its way: nothing must stay loaded that nobody owns.
        if (options.signal?.aborted) void notify(started, 'dispose', { key });
        throw thrown;
      }
    });
  }

  /** Asks the engine something about `model`. */
  request<K extends Op>(
    model: Model,
    op: K,
    args: Omit<Args<K>, 'key'>,
    signal: AbortSignal | undefined,
  ): Promise<Result<K>> {
    return this.#attempt(signal, async (started) => {
      await abortable(this.#reload(started, model), signal);
      return started.connection.request(op, { ...args, key: model.key } as Args<K>, { signal });
    });
  }

  /** Tells the engine something about `model`, if it is loaded there: no engine is started for it. */
  async notify<K extends Op>(model: Model, op: K, args: Omit<Args<K>, 'key'>): Promise<Result<K> | undefined> {
    const started = this.#current;
    return started?.loads.has(model.key) ? notify(started, op, { ...args, key: model.key } as Args<K>) : undefined;
  }

  /** Ends the engine. */
  close(): void {
    this.#current?.connection.close();
    this.#current = undefined;
  }

  async #attempt<T>(signal: AbortSignal | undefined, work: (started: Started) => Promise<T>): Promise<T> {
    for (let replayed = false; ; replayed = true) {
      throwIfAborted(signal);
      const started = this.#open();
      try {
        await abortable(started.report, signal);
        return await work(started);
      } catch (thrown) {
        const { dead } = started.connection;
        if (dead === undefined) throw thrown;
        const lost = this.#retire(started, dead);
        throwIfAborted(signal);
        if (!lost || replayed) throw thrown;
      }
    }
  }

  /** The engine in use; a fresh one where there is none or the last one has died. */
  #open(): Started {
    const last = this.#current;
    if (last?.connection.dead) this.#retire(last, last.connection.dead);
    if (this.#current) return this.#current;
    const connection = this.connect();
    const generation = ++this.#generation;
    const report = connection.request('start', { ...this.settings, fallback: this.#fallback, generation, key: 0 });
    const started: Started = { connection, report, device: undefined, generation, loads: new Map() };
    this.#current = started;
    report.then(
      (device) => (started.device = device),
      () => {
        // What could not start is not kept: the next call tries again.
        connection.close();
        if (this.#current === started) this.#current = undefined;
      },
    );
    return started;
  }

  /** Lets go of a dead engine; whether it died of its GPU. */
  #retire(started: Started, dead: PilotLightError): boolean {
    const lost = dead.kind === 'device-lost' || (dead.kind === 'internal' && started.device?.kind === 'webgpu');
    if (lost) this.#fallback ??= `WebGPU was given up for the CPU. ${dead.message}`;
    if (this.#current === started) {
      this.#current = undefined;
      started.connection.close();
    }
    return lost;
  }

  #load(started: Started, key: number, args: LoadArgs, options: RequestOptions): Promise<LoadResult> {
    const load = started.connection.request('load', { ...args, key }, options);
    started.loads.set(key, load);
    load.catch(() => started.loads.delete(key));
    return load;
  }

  /** Sees to it that `model` is loaded in this engine, which may be a fresh one. */
  async #reload(started: Started, model: Model): Promise<void> {
    if (started.loads.has(model.key)) {
      await started.loads.get(model.key);
      return;
    }
    const result = await this.#load(started, model.key, model.args, {});
    model.info = { ...result, device: deviceOf(await started.report, result.dtype, model.args) };
  }
}

async function notify<K extends Op>(started: Started, op: K, args: Args<K>): Promise<Result<K> | undefined> {
  if (op === 'dispose') started.loads.delete(args.key);
  // An engine that cannot answer any more has let go of everything anyway.
  return started.connection.request(op, args).catch(() => undefined);
}

interface Shared {
  supervisor: Supervisor;
  users: number;
}

const shared = new Map<string, Shared>();

/**
 * The supervisor of all models that use the same device in the same way; each call must be followed
 * by one of `release`, the last of which ends the engine.
 */
export function acquire(settings: Settings, worker: boolean): { supervisor: Supervisor; release: () => void } {
  const id = JSON.stringify([worker, settings]);
  let entry = shared.get(id);
  if (entry === undefined) {
    entry = {
      supervisor: new Supervisor(() => (worker ? new WorkerConnection() : new InPlaceConnection()), settings),
      users: 0,
    };
    shared.set(id, entry);
  }
  const { supervisor } = entry;
  entry.users += 1;
  const release = (): void => {
    entry.users -= 1;
    if (entry.users > 0) return;
    shared.delete(id);
    supervisor.close();
  };
  return { supervisor, release };
}
