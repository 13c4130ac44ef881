// Engine: one WebAssembly instance, its device and the models loaded into it, behind requests.
import type { RequestOptions } from '../protocol/messages.js';
import type { Args, Op, Result } from '../protocol/requests.js';
import { breathe, throwIfAborted, within } from '../shared/abort.js';
import { atInput, isTrap, PilotLightError, toPilotLightError } from '../shared/errors.js';
import { JobQueue } from '../shared/job-queue.js';
import type { Features, Inputs, RunOutput } from '../types.js';
import { type Builds, builds, trapped } from './builds.js';
import { cascadeHandlers } from './cascade-handlers.js';
import { concatFeatures } from './features.js';
import { generatorHandlers } from './generator-handlers.js';
import { Learning } from './learning.js';
import { learningHandlers } from './learning-handlers.js';
import { type Loaded, Loading } from './loading.js';
import { type OpenDevice, openDevice } from './open-device.js';

/** What answers each request. */
export type Handlers = { [K in Op]: (args: Args<K>, options: RequestOptions) => Promise<Result<K>> };

/** Texts that go into one call of the model; an abort is noticed between two calls. Anything else goes in alone. */
const BATCH_TEXTS = 32;

/**
 * Answers requests one after another. Once the instance has trapped or its device was lost, `dead` says so and every
 * later request is refused with it.
 */
export class Engine {
  dead: PilotLightError | undefined;
  /** Which of its supervisor's engines this is. */
  generation = 0;
  #opened: OpenDevice | undefined;
  readonly #models = new Map<number, Loaded>();
  /** What the cascades that learn have learnt, by the same keys. */
  readonly learning = new Map<number, Learning>();
  readonly #queue = new JobQueue();
  readonly #builds: Builds;

  constructor(ofThread: Builds = builds) {
    this.#builds = ofThread;
  }

  /** Answers one request, or throws a `PilotLightError`. */
  async handle<K extends Op>(op: K, args: Args<K>, options: RequestOptions): Promise<Result<K>> {
    try {
      return await this.#handlers[op](args, options);
    } catch (thrown) {
      throw this.#judge(thrown);
    }
  }

  readonly #handlers: Handlers = {
    start: (args) =>
      this.exclusive(async () => {
        this.generation = args.generation;
        this.#opened = await openDevice(args, this.#builds);
        return this.#opened.report;
      }),

    load: async (args, { signal, onProgress = () => undefined }) => {
      throwIfAborted(signal);
      const loading = new Loading(this.#started(), args, onProgress);
      await loading.fetch(signal);
      return this.exclusive(async () => {
        if (signal?.aborted) loading.free();
        throwIfAborted(signal);
        const [model, result] = await loading.finish();
        const name = args.cascade?.learning;
        if ('cascade' in model && name !== undefined)
          this.learning.set(args.key, await Learning.begin(this, model.cascade, name));
        this.#models.set(args.key, model);
        loading.ready();
        return result;
      });
    },

    run: ({ key, inputs, options }, { signal }) =>
      this.exclusive(async () => {
        const { pipeline } = this.model(key, 'pipeline');
        const run = (batch: Inputs[number][]) => pipeline.run(batch as Inputs, options) as Promise<RunOutput>;
        const parts = await this.batches<Inputs[number], RunOutput>(inputs, signal, run);
        return parts.every(isFeatures) ? concatFeatures(parts) : (parts.flat() as RunOutput);
      }),

    runGraph: ({ key, inputs }, { signal }) =>
      this.exclusive(async () => {
        const { graph } = this.model(key, 'graph');
        throwIfAborted(signal);
        return this.checked(() => graph.run(inputs));
      }),

    findPii: ({ key, inputs }, { signal }) =>
      this.exclusive(async () => {
        const { pipeline } = this.model(key, 'pipeline');
        return (await this.batches(inputs, signal, (batch) => pipeline.findPii(batch))).flat();
      }),

    dispose: async ({ key }) => {
      await this.learning.get(key)?.close();
      return this.exclusive(async () => {
        this.learning.delete(key);
        const model = this.#models.get(key);
        this.#models.delete(key);
        for (const loaded of Object.values(model ?? {})) loaded.free();
        return undefined;
      });
    },

    ...cascadeHandlers(this),
    ...learningHandlers(this),
    ...generatorHandlers(this),
  };

  /** Runs `call` on batch after batch. */
  async batches<I, T>(inputs: I[], signal: AbortSignal | undefined, call: (batch: I[]) => Promise<T>): Promise<T[]> {
    const parts: T[] = [];
    const size = typeof inputs[0] === 'string' ? BATCH_TEXTS : 1;
    for (let at = 0; at < inputs.length; at += size) {
      if (at > 0) await breathe();
      throwIfAborted(signal);
      try {
        parts.push(await this.checked(() => call(inputs.slice(at, at + size))));
      } catch (thrown) {
        const index = (thrown as Partial<PilotLightError> | undefined)?.index;
        throw index === undefined || inputs.length === 1 ? thrown : atInput(thrown, at + index);
      }
    }
    return parts;
  }

  /** Runs `job` after all earlier ones, if the instance still works by then. */
  exclusive<T>(job: () => Promise<T>): Promise<T> {
    return this.#queue.run(() => this.now(job));
  }

  /** Runs `job` at once, if the instance still works. What does not wait for a model need not queue behind the rest. */
  async now<T>(job: () => Promise<T>): Promise<T> {
    if (this.dead) throw this.dead;
    try {
      return await job();
    } catch (thrown) {
      throw this.#judge(thrown);
    }
  }

  /** The model under `key`, if it is one of this kind. */
  model<N extends 'pipeline' | 'cascade' | 'graph' | 'generator'>(
    key: number,
    name: N,
  ): Extract<Loaded, Record<N, unknown>> {
    const model = this.#models.get(key);
    if (model === undefined || !(name in model)) {
      throw new PilotLightError('internal', `No ${name} is loaded under the key ${key}.`);
    }
    return model as Extract<Loaded, Record<N, unknown>>;
  }

  /** Whether a cascade is loaded under `key`. */
  hasCascade(key: number): boolean {
    return 'cascade' in (this.#models.get(key) ?? {});
  }

  /** The result of `call`, if the device works after it. */
  async checked<T>(call: () => Promise<T>): Promise<T> {
    const { limitMs } = this.#started();
    const work = (): Promise<T> => trapped(call);
    const late = (): Error =>
      new PilotLightError('device-lost', `The WebGPU device gave no answer within ${(limitMs ?? 0) / 1000} s.`, {
        retryable: true,
      });
    const result = await (limitMs === undefined ? work() : within(limitMs, undefined, work, late));
    const fault = this.#started().device.fault();
    if (fault === undefined) return result;
    throw new PilotLightError('device-lost', `The WebGPU device failed: ${fault}`, { retryable: true });
  }

  /** `thrown` as our error; records the death of this instance. */
  #judge(thrown: unknown): PilotLightError {
    const error = toPilotLightError(thrown);
    if (this.dead === undefined && (isTrap(thrown) || error.kind === 'device-lost')) {
      this.dead = error;
      for (const learning of this.learning.values()) learning.abandon();
      if (this.#opened) this.#builds.stopped.add(this.#opened.report.build);
    }
    return error;
  }

  /** The WebAssembly side. */
  get wasm(): OpenDevice['wasm'] {
    return this.#started().wasm;
  }

  #started(): OpenDevice {
    if (this.dead) throw this.dead;
    if (!this.#opened) throw new PilotLightError('internal', 'The engine was not started.');
    return this.#opened;
  }
}

function isFeatures(output: RunOutput): output is Features {
  return !Array.isArray(output);
}
