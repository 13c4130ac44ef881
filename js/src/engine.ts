import { breathe, throwIfAborted, withController } from './abort.js';
import { type Artefacts, artefacts, type OpenDevice, openDevice, trapped } from './artefact.js';
import { deviceOf } from './device.js';
import { isTrap, PilotLightError, toPilotLightError } from './errors.js';
import { fetchFile } from './files.js';
import { Progress, type ProgressCallback } from './progress.js';
import type { Args, LoadArgs, LoadResult, Op, RequestOptions, Result } from './protocol.js';
import { Queue } from './queue.js';
import { joinFeatures } from './shapes.js';
import type { DeviceReport, Features, Inputs, Port, Reason, RemoteEvent, RunOutput, Turn } from './types.js';
import type { Cascade, Graph, Loader, Pipeline, RawPort } from './wasm/cpu/pilot_light.js';

type Loaded = { pipeline: Pipeline } | { cascade: Cascade } | { graph: Graph };
type Handlers = { [K in Op]: (args: Args<K>, options: RequestOptions) => Promise<Result<K>> };

/** Texts that go into one call of the model; between two calls an abort is heard. Anything else goes in alone. */
const SLICE_TEXTS = 32;
/** Bytes of a file that are copied into WebAssembly at once: its memory never shrinks again. */
const SUPPLY_BYTES = 1 << 20;
/** Milliseconds without a part of any file after which the network is what is waited for. */
const QUIET_MS = 4;

/**
 * One WebAssembly instance, its device and the models loaded into it. Requests run one after
 * another; once the instance has trapped or its device was lost, `dead` says so and every later
 * request is refused with it.
 */
export class Engine {
  dead: PilotLightError | undefined;
  #opened: OpenDevice | undefined;
  #generation = 0;
  readonly #models = new Map<number, Loaded>();
  readonly #queue = new Queue();
  readonly #artefacts: Artefacts;

  constructor(ofThread: Artefacts = artefacts) {
    this.#artefacts = ofThread;
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
      this.#exclusive(async (): Promise<DeviceReport> => {
        this.#generation = args.generation;
        this.#opened = await openDevice(args, this.#artefacts);
        return this.#opened.report;
      }),

    load: (args, { signal, onProgress }) => this.#load(args, signal, onProgress ?? (() => undefined)),

    run: ({ key, inputs, options }, { signal }) =>
      this.#exclusive(async (): Promise<RunOutput> => {
        const { pipeline } = this.#model(key, 'pipeline');
        const parts = await this.#slices<Inputs[number], RunOutput>(inputs, signal, (slice) =>
          pipeline.run(slice as Inputs, options),
        );
        return parts.every(isFeatures) ? joinFeatures(parts) : (parts.flat() as RunOutput);
      }),

    infer: ({ key, inputs }, { signal }) =>
      this.#exclusive(async () => {
        const { graph } = this.#model(key, 'graph');
        throwIfAborted(signal);
        return this.#trusted(() => graph.run(inputs));
      }),

    mark: ({ key, inputs }, { signal }) =>
      this.#exclusive(async () => {
        const { pipeline } = this.#model(key, 'pipeline');
        return (await this.#slices(inputs, signal, (slice) => pipeline.personalData(slice))).flat();
      }),

    decide: ({ key, inputs, options, thresholds, must_stay_local, consult }, { signal }) =>
      this.#exclusive(async () => {
        const { cascade } = this.#model(key, 'cascade');
        const decide = async (slice: string[]): Promise<ReturnType<Cascade['consult']>> =>
          consult
            ? cascade.consult(slice, options)
            : cascade.decide(slice, options, Float64Array.from(thresholds), must_stay_local);
        const judged = (await this.#slices(inputs, signal, decide)).flat();
        const checks = judged.flatMap(({ check }, index) => (check === undefined ? [] : [{ ...check, index }]));
        return { steps: judged.map(({ step }) => step), checks, generation: this.#generation, ...added(cascade) };
      }),

    ledger: ({ key, records }) =>
      this.#now(() => trapped(async () => this.#model(key, 'cascade').cascade.ledger(records))),

    examine: ({ key, tier, inputs, truths, options }, { signal }) =>
      this.#exclusive(async () => {
        const { cascade } = this.#model(key, 'cascade');
        let done = 0;
        const parts = await this.#slices(inputs, signal, (slice) => {
          const from = done;
          done += slice.length;
          return cascade.examples(tier, slice, truths.slice(from, done), options);
        });
        return parts.flat();
      }),

    calibrate: ({ key, tier, examples, labels, promise, source, options }) =>
      this.#now(() =>
        trapped(async () =>
          this.#model(key, 'cascade').cascade.calibrate(tier, examples, labels, promise, source, options),
        ),
      ),

    explain: ({ key, envelope }) => this.#now(async () => this.#model(key, 'cascade').cascade.explain(envelope)),

    begin: (args) => this.#delegate(args, (cascade, call) => cascade.begin(call, args.stream, args.marked)),

    // In a fresh engine the attempt that was made counts for the question's first one.
    resume: (args) =>
      this.#delegate(args, (cascade, call) => {
        const turn = args.generation === this.#generation ? undefined : cascade.begin(call, args.stream, args.marked);
        return turn === undefined || 'send' in turn.step ? cascade.resume(call, args.event as RemoteEvent) : turn;
      }),

    decline: (args) =>
      this.#delegate(args, (cascade, call) => cascade.decline(call, args.reason as Reason, args.detail ?? '')),

    feed: ({ key, call, generation, bytes, last }) =>
      this.#now(async () => {
        const { cascade } = this.#model(key, 'cascade');
        if (generation !== this.#generation)
          throw new PilotLightError('internal', 'The engine was replaced in the middle of a reply.');
        return cascade.feed(call, bytes, last);
      }),

    abandon: ({ key, call, generation }) =>
      this.#now(async () => {
        const model = this.#models.get(key);
        const known = model && 'cascade' in model && generation === this.#generation;
        return { started: known ? model.cascade.abandon(call) : undefined };
      }),

    dispose: ({ key }) =>
      this.#exclusive(async () => {
        const model = this.#models.get(key);
        this.#models.delete(key);
        for (const loaded of Object.values(model ?? {})) loaded.free();
        return undefined;
      }),
  };

  /** One turn of a delegated question. The engine that decided on it may be gone: then it is decided on again. */
  async #delegate(args: Args<'begin'>, act: (cascade: Cascade, call: number) => Turn): Promise<Result<'begin'>> {
    const turn = (call: number): Promise<Result<'begin'>> =>
      this.#now(async () => {
        const { cascade } = this.#model(args.key, 'cascade');
        for (const [remote, json] of (args.ledgers ?? []).entries()) if (json !== null) cascade.absorb(remote, json);
        const turn = act(cascade, call);
        return {
          turn,
          generation: this.#generation,
          ...added(cascade),
          ...(args.ledgers && { ledgers: cascade.spending() }),
        };
      });
    if (args.generation === this.#generation) return turn(args.call);
    if (args.check)
      throw new PilotLightError('internal', 'The engine was replaced, and with it what was to be checked.');
    const { inputs, options, thresholds, must_stay_local, consult = false, key } = args;
    const { steps, checks, record } = await this.#handlers.decide(
      { key, inputs, options, thresholds, must_stay_local, consult },
      {},
    );
    for (const { call } of checks) await this.#handlers.abandon({ key, call, generation: this.#generation }, {});
    const [step] = steps;
    if (step === undefined) throw new PilotLightError('internal', 'The cascade decided nothing.');
    return 'delegate' in step
      ? turn(step.delegate.call)
      : { turn: { step }, generation: this.#generation, ...(record !== undefined && { record }) };
  }

  async #load(args: Args<'load'>, signal: AbortSignal | undefined, onProgress: ProgressCallback): Promise<LoadResult> {
    throwIfAborted(signal);
    const loaders: Loader[] = [];
    const progress = new Progress(args.model, onProgress);
    try {
      for (const part of [args, ...(args.next ?? [])]) {
        const loader = this.#loader(part);
        loaders.push(loader);
        const told = part === args ? progress : new Progress(part.model, onProgress);
        await withController(signal, (controller) =>
          this.#supply(loader, { ...args, folder: part.folder }, told, controller),
        );
      }
    } catch (thrown) {
      if (!isTrap(thrown)) for (const loader of loaders) loader.free();
      throw thrown;
    }
    return this.#exclusive(async () => {
      if (signal?.aborted) for (const loader of loaders) loader.free();
      throwIfAborted(signal);
      const [model, told] = await this.#finish(loaders, args);
      this.#models.set(args.key, model);
      progress.ready(args.task);
      return { labels: [], inputs: [], outputs: [], ...told };
    });
  }

  #loader({ task, options, graph }: Pick<LoadArgs, 'task' | 'options' | 'graph'>): Loader {
    const { wasm, device } = this.#started();
    return graph
      ? wasm.Loader.graph(device, graph.file, graph.externalData, options, graph.options)
      : new wasm.Loader(device, task, options);
  }

  /** The model, once all its files are there, and what it tells of itself. */
  async #finish(
    loaders: Loader[],
    args: Args<'load'>,
  ): Promise<[Loaded, Partial<LoadResult> & Pick<LoadResult, 'dtype'>]> {
    const { wasm, report } = this.#started();
    const [first] = loaders as [Loader];
    const { dtype } = first;
    if (args.graph) {
      const graph = await trapped(() => first.finishGraph());
      return [{ graph }, { dtype, inputs: graph.inputs.map(toPort), outputs: graph.outputs.map(toPort) }];
    }
    const pipelines: Pipeline[] = [];
    try {
      for (const loader of loaders) pipelines.push(await trapped(() => loader.finish()));
    } catch (thrown) {
      // The one that failed is gone; those before it and behind it are not.
      if (!isTrap(thrown)) for (const left of [...pipelines, ...loaders.slice(pipelines.length + 1)]) left.free();
      throw thrown;
    }
    const [pipeline] = pipelines as [Pipeline];
    const { labels } = pipeline;
    if (args.cascade === undefined) return [{ pipeline }, { dtype, labels }];
    const cascade = new wasm.Cascade(pipelines, args.cascade, deviceOf(report, dtype, args));
    return [{ cascade }, { dtype, labels, thresholds: [...cascade.thresholds], calibrations: cascade.calibrations }];
  }

  /**
   * Hands the loader the files that it asks for, round after round; the files of a round are fetched
   * side by side, and their bytes handed over as they come.
   */
  async #supply(loader: Loader, args: Args<'load'>, progress: Progress, controller: AbortController): Promise<void> {
    const options = { useBrowserCache: args.useBrowserCache, progress, signal: controller.signal };
    for (let round = loader.wants(); round.length > 0; round = loader.wants()) {
      let coming = round.length;
      let parts = 0;
      const files = round.map(async (request) => {
        const { name } = request;
        const heard = (): void => throwIfAborted(controller.signal);
        const sink = {
          expect: (bytes: number) => {
            heard();
            loader.expect(name, bytes);
          },
          write: (bytes: Uint8Array) => {
            heard();
            parts += 1;
            supplySlices(loader, name, bytes);
          },
        };
        const there = await fetchFile(args.folder, request, sink, options);
        coming -= 1;
        // To read what is complete takes this thread. Others that come at once are heard first, so that it is read while
        // their digests are computed on another; where they take their time, it is read meanwhile.
        for (let before = -1; coming > 0 && before !== parts; ) {
          before = parts;
          await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
        }
        heard();
        // Only now that the whole file was found right it is said to be complete.
        if (there) loader.supply(name, new Uint8Array(0), true);
        else loader.missing(name);
      });
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

  /** Runs `call` on slice after slice. */
  async #slices<I, T>(inputs: I[], signal: AbortSignal | undefined, call: (slice: I[]) => Promise<T>): Promise<T[]> {
    const parts: T[] = [];
    const size = typeof inputs[0] === 'string' ? SLICE_TEXTS : 1;
    for (let at = 0; at < inputs.length; at += size) {
      if (at > 0) await breathe();
      throwIfAborted(signal);
      parts.push(await this.#trusted(() => call(inputs.slice(at, at + size))));
    }
    return parts;
  }

  /** What `call` gives, if the device can still be trusted after it. */
  async #trusted<T>(call: () => Promise<T>): Promise<T> {
    const result = await trapped(call);
    const fault = this.#started().device.fault();
    if (fault !== undefined)
      throw new PilotLightError('device-lost', `The WebGPU device failed: ${fault}`, { retryable: true });
    return result;
  }

  /** `job`, when its turn comes and if the instance is still good by then. */
  #exclusive<T>(job: () => Promise<T>): Promise<T> {
    return this.#queue.run(() => this.#now(job));
  }

  /** `job`, at once, if the instance is still good. Whatever does not wait for a model need not queue behind those that do. */
  async #now<T>(job: () => Promise<T>): Promise<T> {
    if (this.dead) throw this.dead;
    try {
      return await job();
    } catch (thrown) {
      throw this.#judge(thrown);
    }
  }

  /** `thrown` as our error; notes it where it is the end of this instance. */
  #judge(thrown: unknown): PilotLightError {
    const error = toPilotLightError(thrown);
    if (this.dead === undefined && (isTrap(thrown) || error.kind === 'device-lost')) {
      this.dead = error;
      if (this.#opened) this.#artefacts.stopped.add(this.#opened.report.build);
    }
    return error;
  }

  #started(): OpenDevice {
    if (this.dead) throw this.dead;
    if (!this.#opened) throw new PilotLightError('internal', 'The engine was not started.');
    return this.#opened;
  }

  #model<N extends 'pipeline' | 'cascade' | 'graph'>(key: number, name: N): Extract<Loaded, Record<N, unknown>> {
    const model = this.#models.get(key);
    if (model === undefined || !(name in model))
      throw new PilotLightError('internal', `No ${name} is loaded under the key ${key}.`);
    return model as Extract<Loaded, Record<N, unknown>>;
  }
}

/** What was answered since it was asked for last. */
function added(cascade: Cascade): { record?: string } {
  const record = cascade.record();
  return record === undefined ? {} : { record };
}

function isFeatures(output: RunOutput): output is Features {
  return !Array.isArray(output);
}

/** A port with all that it may lack said to be undefined. */
function toPort({ name, type, dims }: RawPort): Port {
  return { name, type, dims };
}

function supplySlices(loader: Loader, name: string, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += SUPPLY_BYTES)
    loader.supply(name, bytes.subarray(at, at + SUPPLY_BYTES), false);
}
