// Loading of models in an engine: fetches the files that the loaders ask for and builds the models.
import { Progress, type ProgressCallback } from '../io/progress.js';
import type { LoadArgs, LoadResult } from '../protocol/loading.js';
import { withController } from '../shared/abort.js';
import { isTrap } from '../shared/errors.js';
import type { Cascade, Device, Generator, Graph, Loader, Pipeline, Port, RawPort } from '../types.js';
import { trapped } from './builds.js';
import { deviceReport } from './device-report.js';
import { isForGpu, placeGenerator, placeGraph, placeModels } from './measure.js';
import type { OpenDevice } from './open-device.js';
import { judged, type Part, supply } from './supply.js';

/** A model in an engine. */
export type Loaded = { pipeline: Pipeline } | { cascade: Cascade } | { graph: Graph } | { generator: Generator };

/** What a loader is for. */
type AnyModel = NonNullable<LoadArgs['pipeline'] | LoadArgs['graph'] | LoadArgs['generator']>;

/** One load. */
export class Loading {
  readonly #parts: Part[] = [];

  constructor(
    readonly opened: OpenDevice,
    readonly args: LoadArgs,
    readonly onProgress: ProgressCallback,
  ) {}

  /** Fetches the files of all parts, one part after the other. */
  async fetch(signal: AbortSignal | undefined): Promise<void> {
    const { pipeline, cascade, graph, generator } = this.args;
    try {
      const one = pipeline ?? graph ?? generator ?? cascade?.generator;
      for (const part of one ? [one] : (cascade?.models ?? [])) {
        const { folder, model } = part;
        const progress = new Progress(model, this.onProgress);
        const device = this.opened.device.forModel();
        const loader = await this.#loader(part, device);
        const ready = { loader, device, folder, progress, unproven: new Set<string>() };
        this.#parts.push(ready);
        const { useBrowserCache } = this.args;
        await judged(ready, () => withController(signal, (controller) => supply(ready, useBrowserCache, controller)));
      }
    } catch (thrown) {
      if (!isTrap(thrown)) this.free();
      throw thrown;
    }
  }

  /** Builds the model, once all its files have arrived; with what it reports of itself. */
  async finish(): Promise<[Loaded, LoadResult]> {
    const { args, opened } = this;
    const [first] = this.#parts as [Part];
    const { dtype, hasIntegerOperators: integerOperators } = first.loader;
    const result = { dtype, integerOperators, labels: [], inputs: [], outputs: [] };
    if (args.graph) {
      const graph = await judged(first, () => trapped(() => first.loader.finishGraph()));
      const measured = await placeGraph(opened, args.graph, first.device, graph);
      return [{ graph }, { ...result, inputs: graph.inputs.map(toPort), outputs: graph.outputs.map(toPort), measured }];
    }
    const source = args.generator ?? args.cascade?.generator;
    if (source !== undefined) {
      const generator = await judged(first, () => trapped(() => first.loader.finishGenerator()));
      const measured = await placeGenerator(opened, source, first.device, generator);
      if (args.cascade === undefined) return [{ generator }, { ...result, measured }];
      const report = deviceReport(opened.report, { integerOperators, measured });
      const cascade = opened.wasm.Cascade.ofGenerator(generator, args.cascade.config, report);
      return cascadeOf(cascade, { ...result, measured });
    }
    const pipelines = await this.#pipelines();
    const [pipeline] = pipelines as [Pipeline];
    const devices = this.#parts.map(({ device }) => device);
    const measured = await placeModels(opened, args, devices, pipelines);
    const learnt = args.cascade?.config.learn?.labels?.map(({ label }) => label) ?? [];
    const labels = learnt.length > 0 ? learnt : pipeline.labels;
    if (args.cascade === undefined) return [{ pipeline }, { ...result, labels, measured }];
    const placed = deviceReport(opened.report, { integerOperators, measured });
    const cascade = new opened.wasm.Cascade(pipelines, args.cascade.config, placed);
    return cascadeOf(cascade, { ...result, labels, measured });
  }

  /** Reports that the model can be used. */
  ready(): void {
    const { pipeline, cascade, generator } = this.args;
    const reads = cascade?.generator && 'information-extraction';
    const task = generator ? 'text-generation' : (reads ?? (pipeline ?? cascade?.models[0])?.task);
    this.#parts[0]?.progress.ready(task ?? 'model');
  }

  /** Frees the loaders of a load that is given up. */
  free(): void {
    for (const { loader } of this.#parts) loader.free();
  }

  async #pipelines(): Promise<Pipeline[]> {
    const pipelines: Pipeline[] = [];
    try {
      for (const part of this.#parts) pipelines.push(await judged(part, () => trapped(() => part.loader.finish())));
      return pipelines;
    } catch (thrown) {
      // The loader that failed is gone; those before it and behind it are not.
      const loaders = this.#parts.slice(pipelines.length + 1).map(({ loader }) => loader);
      if (!isTrap(thrown)) for (const left of [...pipelines, ...loaders]) left.free();
      throw thrown;
    }
  }

  async #loader(part: AnyModel, device: Device): Promise<Loader> {
    const { wasm } = this.opened;
    if ('task' in part) return new wasm.Loader(device, part.task, part.options);
    if (!('graph' in part)) {
      const options = { ...part.options, ...((await isForGpu(this.opened, part)) && { gpu_only: true }) };
      return wasm.Loader.generator(device, part.file, options);
    }
    return wasm.Loader.graph(device, part.file, part.external_data, part.options, part.graph);
  }
}

/** A cascade with what it reports of itself, besides `result`. */
function cascadeOf(cascade: Cascade, result: LoadResult): [Loaded, LoadResult] {
  const { calibrations } = cascade;
  return [{ cascade }, { ...result, thresholds: [...cascade.thresholds], calibrations }];
}

/** A port with every optional field present. */
function toPort({ name, type, dims }: RawPort): Port {
  return { name, type, dims };
}
