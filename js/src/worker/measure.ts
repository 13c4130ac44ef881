// Choice of the device by measurement: a model is run on the GPU and on the CPU, and each run goes to the faster one.
import type { GeneratorModel, GraphModel, LoadArgs } from '../protocol/loading.js';
import { isTrap, messageOf, toPilotLightError } from '../shared/errors.js';
import type { Device, Generator, Graph, Pipeline } from '../types.js';
import { type Placement, remember, remembered } from './measured-store.js';
import type { OpenDevice } from './open-device.js';
import { generatorSamples, graphSamples, type Sample, taskSamples } from './samples.js';

/** Milliseconds that measuring may take, besides the first run on the GPU, which compiles its shaders. */
const BUDGET_MS = 100;
/** The times are measured so often, and the shortest counts: others had to wait for something. */
const RUNS = 2;
/** More elements than any run has. */
const ALL = 0xffff_ffff;
const TOO_LARGE = 'Its weights are too large for the memory of WebAssembly and are on the GPU alone.';

/** The milliseconds of a sample; of the CPU's infinitely many where it was stopped. */
export interface Times extends Pick<Sample, 'elements' | 'name'> {
  gpu: number;
  cpu: number;
}

/** What was measured of the models that are loaded together. */
export interface Measured {
  /** Of each model. */
  reasons: string[];
  /** Whether all runs of all models are left to the CPU. */
  onCpu: boolean;
}

/**
 * Leaves to the CPU what it does faster, for each model that `args` load, where the device may be chosen; what was
 * measured.
 * `devices` are the models' own.
 */
export async function placeModels(
  opened: OpenDevice,
  { pipeline, cascade }: LoadArgs,
  devices: Device[],
  pipelines: Pipeline[],
): Promise<Measured | undefined> {
  if (!isFree(opened)) return undefined;
  const models = pipeline ? [pipeline] : (cascade?.models ?? []);
  const measured: Measured = { reasons: [], onCpu: models.length > 0 };
  for (const [index, part] of models.entries()) {
    const [device, loaded] = [devices[index], pipelines[index]];
    if (device === undefined || loaded === undefined) continue;
    const names = [part.folder.url, part.options.dtype];
    const { reason, cpuElements } = await placeModel(opened, device, names, () => taskSamples(part.task, loaded));
    measured.reasons.push(models.length > 1 ? `${part.model}: ${reason}` : reason);
    measured.onCpu &&= cpuElements === ALL;
  }
  return measured;
}

/** The same for a graph. */
export async function placeGraph(
  opened: OpenDevice,
  { folder, file, options, graph: settings }: GraphModel,
  device: Device,
  graph: Graph,
): Promise<Measured | undefined> {
  if (!isFree(opened)) return undefined;
  const names = [folder.url, file, options.dtype, settings];
  const { reason, cpuElements } = await placeModel(opened, device, names, () => graphSamples(graph));
  return { reasons: [reason], onCpu: cpuElements === ALL };
}

/** The same for a model that generates text, all or nothing: its keys and values are on one device. */
export async function placeGenerator(
  opened: OpenDevice,
  model: GeneratorModel,
  device: Device,
  generator: Generator,
): Promise<Measured | undefined> {
  if (!isFree(opened)) return undefined;
  const names = generatorNames(model);
  if (generator.needsGpu) {
    const known = await remembered(keyOf(opened, names));
    return { reasons: [known?.cpuElements === 0 ? known.reason : TOO_LARGE], onCpu: false };
  }
  const { reason, cpuElements } = await placeModel(opened, device, names, () => generatorSamples(generator));
  return { reasons: [reason], onCpu: cpuElements === ALL };
}

/** Whether it is known before it is loaded that only the GPU will run a model that generates text. */
export async function isForGpu(opened: OpenDevice, model: GeneratorModel): Promise<boolean> {
  if (opened.report.kind !== 'webgpu' || !isFree(opened)) return opened.report.kind === 'webgpu';
  return (await remembered(keyOf(opened, generatorNames(model))))?.cpuElements === 0;
}

function generatorNames({ folder, file, options }: GeneratorModel): unknown[] {
  return [folder.url, file, options.dtype];
}

/** Names a model on an adapter. */
function keyOf({ wasm, report }: OpenDevice, names: unknown[]): string {
  return JSON.stringify([report.adapter, ...names, wasm.Device.version()]);
}

/** Whether the device is ours to choose. Measuring takes a while, which the page's own thread does not have. */
function isFree({ report }: OpenDevice): boolean {
  return report.kind === 'webgpu' && report.requested === 'auto' && globalThis.document === undefined;
}

/** As `placeRuns`, of a model on an adapter. One that refuses the samples does its work all the same. */
async function placeModel(
  opened: OpenDevice,
  device: Device,
  names: unknown[],
  samples: () => Sample[],
): Promise<Placement> {
  try {
    return await placeRuns(device, samples(), keyOf(opened, names));
  } catch (thrown) {
    if (isTrap(thrown) || toPilotLightError(thrown).kind === 'device-lost') throw thrown;
    device.shareWithCpu(0);
    return { cpuElements: 0, reason: `It was not measured: ${messageOf(thrown)}` };
  }
}

/**
 * Measures `samples`, the smaller one first, on both devices, and leaves to the CPU what it does faster.
 *
 * @param key Names the model and the adapter; what was measured under it before is not measured again.
 */
export async function placeRuns(device: Device, samples: readonly Sample[], key: string): Promise<Placement> {
  const known = await remembered(key);
  const placement = known ?? placementOf(await measure(device, samples));
  device.shareWithCpu(placement.cpuElements);
  if (known === undefined) await remember(key, placement);
  return placement;
}

async function measure(device: Device, samples: readonly Sample[]): Promise<Times[]> {
  const timed = async ({ run }: Sample, cpuElements: number, goOn: () => Promise<boolean>): Promise<number> => {
    device.shareWithCpu(cpuElements);
    const start = performance.now();
    const done = await run(goOn);
    return done === false ? Number.POSITIVE_INFINITY : performance.now() - start;
  };
  const always = async (): Promise<boolean> => true;
  // Shaders are compiled in the first run.
  const [first] = samples;
  if (first !== undefined) await timed(first, 0, always);
  const end = performance.now() + BUDGET_MS;
  const all: Times[] = [];
  for (const [index, sample] of samples.entries()) {
    const { elements, name } = sample;
    const times: Times = { elements, name, gpu: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY };
    for (let i = 0; i < RUNS; i += 1) {
      times.gpu = Math.min(times.gpu, await timed(sample, 0, always));
      const begun = performance.now();
      // One that has taken no longer than the GPU may yet be the faster one.
      const goOn = async (): Promise<boolean> => performance.now() <= Math.max(end, begun + times.gpu);
      times.cpu = Math.min(times.cpu, await timed(sample, ALL, goOn));
      if (end - performance.now() < times.cpu + times.gpu) break;
    }
    all.push(times);
    // A larger input takes at most as much longer as it has more elements.
    const larger = (samples[index + 1]?.elements ?? 0) / elements;
    if ((times.cpu + times.gpu) * larger > end - performance.now()) break;
  }
  return all;
}

/** The sharing that these times speak for, of samples of ascending size. */
export function placementOf(times: readonly Times[]): Placement {
  const words = times.map(({ name, gpu, cpu }) => `${name} take ${ms(gpu)} on the GPU and ${ms(cpu)} on the CPU`);
  const measured = `Measured: ${words.join(', ')}.`;
  const cpuElements = crossing(times);
  if (cpuElements === 0) return { cpuElements, reason: measured };
  const unit = times[0]?.name.endsWith(' tokens') ? 'tokens' : 'elements';
  const those = cpuElements === ALL ? 'All runs' : `Runs of up to ${cpuElements} ${unit}`;
  return { cpuElements, reason: `${measured} ${those} are left to the CPU.` };
}

/** The elements up to which the CPU is faster: where the lines through the times cross. */
function crossing(times: readonly Times[]): number {
  const [small, large] = times;
  if (small === undefined || (small.gpu <= small.cpu && (large === undefined || large.gpu <= large.cpu))) return 0;
  if (large === undefined || large.gpu >= large.cpu) return ALL;
  const [gain, loss] = [large.cpu - large.gpu, small.gpu - small.cpu];
  return Math.floor(small.elements + ((large.elements - small.elements) * loss) / (gain + loss));
}

function ms(time: number): string {
  if (time === Number.POSITIVE_INFINITY) return 'too long';
  return `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
}
