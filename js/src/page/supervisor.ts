// Supervisor: keeps an engine alive, and loads its models into a fresh one when it dies.
import { startEngineWorker } from '../bundle.js';
import type { LoadArgs, LoadResult } from '../protocol/loading.js';
import type { Connection, RequestOptions } from '../protocol/messages.js';
import type { Args, Op, Result, StartArgs } from '../protocol/requests.js';
import { abortable, throwIfAborted, withController } from '../shared/abort.js';
import { PilotLightError } from '../shared/errors.js';
import { type Lease, SharedMap } from '../shared/shared-map.js';
import type { DeviceReport } from '../types.js';
import { deviceReport } from '../worker/device-report.js';
import { InPlaceConnection, WorkerConnection } from './connection.js';
import { Pieces } from './pieces.js';

/** A loaded model. Its facts may change when it is loaded again into a fresh engine. */
export interface LoadedModel {
  readonly key: number;
  readonly args: LoadArgs;
  info: LoadResult & { device: DeviceReport };
}

/** An engine that was started, and the models that were loaded into it. */
interface StartedEngine {
  connection: Connection;
  report: Promise<DeviceReport>;
  device: DeviceReport | undefined;
  generation: number;
  loads: Map<number, Promise<LoadResult>>;
}

/** The settings of an engine. */
type Settings = Pick<StartArgs, 'device' | 'wasmPaths' | 'cpuBuild' | 'numThreads'>;

/**
 * Keeps an engine alive. One that has died is replaced at the next request, and the models are
 * loaded into the fresh one as they are needed. A death on the GPU is taken for the loss of the
 * device, since GPU errors panic: the fresh engine is on the CPU, and what was pending is asked once
 * more. After a panic on the CPU, what was pending is rejected: the same input might panic again.
 */
export class Supervisor {
  #current: StartedEngine | undefined;
  #fallback: string | undefined;
  #generation = 0;
  #lastKey = 0;

  constructor(
    readonly connect: () => Connection,
    readonly settings: Settings,
  ) {}

  /** Loads a model. */
  async load(args: LoadArgs, options: RequestOptions): Promise<LoadedModel> {
    const key = ++this.#lastKey;
    return this.#attempt(options.signal, async (engine) => {
      try {
        const result = await this.#load(engine, key, args, options);
        return { key, args, info: await infoOf(engine, result) };
      } catch (thrown) {
        // An abort may cross the answer on its way: nothing must stay loaded that nobody owns.
        if (options.signal?.aborted) void notify(engine, 'dispose', { key });
        throw thrown;
      }
    });
  }

  /**
   * Sends a request about `model` to the engine. One whose device is lost is made again on another; it fails where
   * pieces of its result were given that are not those of the new one.
   */
  request<K extends Op>(
    model: LoadedModel,
    op: K,
    args: Omit<Args<K>, 'key'>,
    { signal, onPiece }: RequestOptions = {},
  ): Promise<Result<K>> {
    const pieces = new Pieces(onPiece);
    const work = async (engine: StartedEngine): Promise<Result<K>> => {
      await abortable(this.#reload(engine, model), signal);
      return withController(signal, async (controller) => {
        // Another reply need not be waited for.
        const options = { signal: controller.signal, onPiece: pieces.begin(() => controller.abort()) };
        const all = { ...args, key: model.key } as Args<K>;
        const result = await engine.connection.request(op, all, options).catch((thrown) => {
          throw pieces.differ ? otherReply() : thrown;
        });
        if (pieces.fit) return result;
        throw otherReply();
      });
    };
    return this.#attempt(signal, work);
  }

  /** Sends a request about `model` to the engine if it is loaded there: no engine is started for it. */
  async notify<K extends Op>(model: LoadedModel, op: K, args: Omit<Args<K>, 'key'>): Promise<Result<K> | undefined> {
    const engine = this.#current;
    if (!engine?.loads.has(model.key)) return undefined;
    return notify(engine, op, { ...args, key: model.key } as Args<K>);
  }

  /** Ends the engine. */
  close(): void {
    this.#current?.connection.close();
    this.#current = undefined;
  }

  async #attempt<T>(signal: AbortSignal | undefined, work: (engine: StartedEngine) => Promise<T>): Promise<T> {
    for (let replayed = false; ; replayed = true) {
      throwIfAborted(signal);
      const engine = this.#open();
      try {
        await abortable(engine.report, signal);
        return await work(engine);
      } catch (thrown) {
        const { dead } = engine.connection;
        if (dead === undefined) throw thrown;
        const lost = this.#retire(engine, dead);
        throwIfAborted(signal);
        if (!lost || replayed) throw thrown;
      }
    }
  }

  /** The engine in use; a fresh one at first and after the last one has died. */
  #open(): StartedEngine {
    const last = this.#current;
    if (last?.connection.dead) this.#retire(last, last.connection.dead);
    if (this.#current) return this.#current;
    const connection = this.connect();
    const generation = ++this.#generation;
    const report = connection.request('start', { ...this.settings, fallback: this.#fallback, generation, key: 0 });
    const engine: StartedEngine = { connection, report, device: undefined, generation, loads: new Map() };
    this.#current = engine;
    report.then(
      (device) => {
        engine.device = device;
      },
      () => {
        // An engine that could not start is dropped: the next call tries again.
        connection.close();
        if (this.#current === engine) this.#current = undefined;
      },
    );
    return engine;
  }

  /** Lets go of a dead engine; returns whether it died of its GPU. */
  #retire(engine: StartedEngine, dead: PilotLightError): boolean {
    const lost = dead.kind === 'device-lost' || (dead.kind === 'internal' && engine.device?.kind === 'webgpu');
    if (lost) this.#fallback ??= `WebGPU was given up for the CPU. ${dead.message}`;
    if (this.#current === engine) {
      this.#current = undefined;
      engine.connection.close();
    }
    return lost;
  }

  #load(engine: StartedEngine, key: number, args: LoadArgs, options: RequestOptions): Promise<LoadResult> {
    const load = engine.connection.request('load', { ...args, key }, options);
    engine.loads.set(key, load);
    load.catch(() => engine.loads.delete(key));
    return load;
  }

  /** Makes sure that `model` is loaded in this engine, which may be a fresh one. */
  async #reload(engine: StartedEngine, model: LoadedModel): Promise<void> {
    if (engine.loads.has(model.key)) {
      await engine.loads.get(model.key);
      return;
    }
    model.info = await infoOf(engine, await this.#load(engine, model.key, model.args, {}));
  }
}

function otherReply(): PilotLightError {
  const message = 'The device was lost in the middle of a reply, and the other device generated another one.';
  return new PilotLightError('device-lost', message, { retryable: true });
}

async function infoOf(engine: StartedEngine, result: LoadResult): Promise<LoadedModel['info']> {
  return { ...result, device: deviceReport(await engine.report, result) };
}

async function notify<K extends Op>(engine: StartedEngine, op: K, args: Args<K>): Promise<Result<K> | undefined> {
  if (op === 'dispose') engine.loads.delete(args.key);
  // An engine that cannot answer any more holds nothing anyway.
  return engine.connection.request(op, args).catch(() => undefined);
}

const supervisors = new SharedMap<Supervisor>((supervisor) => supervisor.close());

/** The supervisor of all models that use the same device in the same way; the last release ends its engine. */
export function acquireSupervisor(settings: Settings, worker: boolean, address: string | undefined): Lease<Supervisor> {
  const connect = (): Connection =>
    worker ? new WorkerConnection(() => startEngineWorker(address)) : new InPlaceConnection();
  return supervisors.acquire(JSON.stringify([worker, address, settings]), () => new Supervisor(connect, settings));
}
