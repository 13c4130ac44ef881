// Choice of the device by measurement: a model of texts is run on the GPU and on the CPU, and each run goes to the faster one.
import { answered, completed, openDatabase, settled } from '../io/database.js';
import type { GeneratorModel, LoadArgs } from '../protocol/loading.js';
import { isTrap, messageOf, toPilotLightError } from '../shared/errors.js';
import { TASKS } from '../tasks/index.js';
import type { Device, DeviceReport, Generator, Pipeline } from '../types.js';
import { trapped } from './builds.js';
import { render } from './in-steps.js';
import type { OpenDevice } from './open-device.js';

/** Milliseconds that measuring may take, besides the first run on the GPU, which compiles its shaders. */
const BUDGET_MS = 100;
/** Tokens of the texts that are measured: a short sentence and a paragraph. */
const LENGTHS = [16, 128] as const;
/** The times are measured so often, and the shortest counts: others had to wait for something. */
const RUNS = 2;
/** Tokens of a reply that is measured. */
const TOKENS = 3;
/** More tokens than any run has. */
const ALL = 0xffff_ffff;

const DATABASE = 'pilot-light-devices';
const STORE = 'measured';

/** The milliseconds of a text of so many tokens. */
export interface Times {
  tokens: number;
  gpu: number;
  cpu: number;
}

/** How runs are shared between the devices. */
export interface Placement {
  /** Runs of at most so many tokens stay on the CPU. */
  cpuTokens: number;
  /** What was measured, for the device report. */
  reason: string;
}

/** What was measured of the models that are loaded together. */
export interface Measured {
  /** Of each model. */
  reasons: string[];
  /** Whether all runs of all models are left to the CPU. */
  onCpu: boolean;
}

/** Runs the model on a text of so many words, or generates so many tokens. */
export type Run = (words: number) => Promise<unknown>;

/**
 * Leaves to the CPU what it does faster, for each model of texts that `args` load, where the device may be chosen; what was
 * measured. `devices` are the models' own.
 */
export async function placeModels(
  { wasm, report }: OpenDevice,
  { pipeline, cascade }: LoadArgs,
  devices: Device[],
  pipelines: Pipeline[],
): Promise<Measured | undefined> {
  if (!isChosen(report)) return undefined;
  const models = pipeline ? [pipeline] : (cascade?.models ?? []);
  const measured: Measured = { reasons: [], onCpu: models.length > 0 };
  for (const [index, { task, model, folder, options }] of models.entries()) {
    const [device, loaded] = [devices[index], pipelines[index]];
    if (device === undefined || loaded === undefined || TASKS[task].read !== undefined) {
      measured.onCpu = false;
      continue;
    }
    const labels = task === 'zero-shot-classification' ? { candidate_labels: ['light'] } : {};
    const run: Run = (words) => trapped(() => loaded.run([Array(words).fill('light').join(' ')], labels));
    const key = JSON.stringify([report.adapter, folder.url, options.dtype, wasm.Device.version()]);
    const { reason, cpuTokens } = await attempt(device, () => placeRuns(device, run, key));
    measured.reasons.push(models.length > 1 ? `${model}: ${reason}` : reason);
    measured.onCpu &&= cpuTokens === ALL;
  }
  return measured;
}

/** Leaves to the CPU what it does faster of `generator`, all or nothing: its keys and values are on one device. */
export async function placeGenerator(
  { wasm, report }: OpenDevice,
  { model, folder, file, options }: GeneratorModel,
  device: Device,
  generator: Generator,
): Promise<Measured | undefined> {
  if (!isChosen(report)) return undefined;
  const key = JSON.stringify([report.adapter, folder.url, file, options.dtype, wasm.Device.version()]);
  const run: Run = (tokens) => generated(generator, tokens);
  const placement = await attempt(device, async () => {
    const known = await remembered(key);
    const found = known ?? tokenPlacementOf(await measureTokens(device, run));
    if (known === undefined) await remember(key, found);
    return found;
  });
  device.shareWithCpu(placement.cpuTokens);
  return { reasons: [`${model}: ${placement.reason}`], onCpu: placement.cpuTokens === ALL };
}

/** Generates so many tokens. */
async function generated(generator: Generator, tokens: number): Promise<void> {
  // Drafts would make some tokens dearer than others.
  const options = { max_new_tokens: tokens, prompt_lookup: false };
  const generation = generator.start({ text: 'light' }, options, render);
  try {
    while (!generation.complete) await trapped(() => generation.step(async () => true));
  } finally {
    generation.finish();
  }
}

/** Milliseconds of a token on each device. */
export async function measureTokens(device: Device, run: Run): Promise<{ gpu: number; cpu: number }> {
  const timed = async (cpuTokens: number): Promise<number> => {
    device.shareWithCpu(cpuTokens);
    const start = performance.now();
    await run(TOKENS);
    return (performance.now() - start) / TOKENS;
  };
  // Shaders are compiled and weights uploaded in the first run.
  await timed(0);
  return { cpu: await timed(ALL), gpu: await timed(0) };
}

/** The sharing that these times of a token speak for. */
export function tokenPlacementOf({ gpu, cpu }: { gpu: number; cpu: number }): Placement {
  const measured = `Measured: a token takes ${ms(gpu)} on the GPU and ${ms(cpu)} on the CPU.`;
  if (gpu <= cpu) return { cpuTokens: 0, reason: measured };
  return { cpuTokens: ALL, reason: `${measured} All runs are left to the CPU.` };
}

/** Whether the device was chosen here, and there is time to choose again: the page's own thread has none. */
function isChosen({ kind, requested }: DeviceReport): boolean {
  return kind === 'webgpu' && requested === 'auto' && globalThis.document === undefined;
}

/** What `place` gives; where it fails, all stays on the GPU. */
async function attempt(device: Device, place: () => Promise<Placement>): Promise<Placement> {
  try {
    return await place();
  } catch (thrown) {
    if (isTrap(thrown) || toPilotLightError(thrown).kind === 'device-lost') throw thrown;
    // A model may refuse such a text, and do its work all the same.
    device.shareWithCpu(0);
    return { cpuTokens: 0, reason: `It was not measured: ${messageOf(thrown)}` };
  }
}

/**
 * Measures `run` on both devices, and leaves to the CPU what it does faster.
 *
 * @param key Names the model and the adapter; what was measured under it before is not measured again.
 */
export async function placeRuns(device: Device, run: Run, key: string): Promise<Placement> {
  const known = await remembered(key);
  const placement = known ?? placementOf(await measure(device, run));
  device.shareWithCpu(placement.cpuTokens);
  if (known === undefined) await remember(key, placement);
  return placement;
}

async function measure(device: Device, run: Run): Promise<Times[]> {
  const timed = async (tokens: number, cpuTokens: number): Promise<number> => {
    device.shareWithCpu(cpuTokens);
    const start = performance.now();
    // Two tokens mark the beginning and the end of a text.
    await run(tokens - 2);
    return performance.now() - start;
  };
  // Shaders are compiled in the first run.
  await timed(LENGTHS[0], 0);
  const begun = performance.now();
  const all: Times[] = [];
  for (const tokens of LENGTHS) {
    const times: Times = { tokens, gpu: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY };
    for (let i = 0; i < RUNS; i += 1) {
      times.cpu = Math.min(times.cpu, await timed(tokens, ALL));
      times.gpu = Math.min(times.gpu, await timed(tokens, 0));
      const left = BUDGET_MS - (performance.now() - begun);
      if (left < times.cpu + times.gpu) break;
    }
    all.push(times);
    // A longer text takes at most as much longer as it has more tokens.
    const longer = LENGTHS[1] / LENGTHS[0];
    if ((times.cpu + times.gpu) * longer > BUDGET_MS - (performance.now() - begun)) break;
  }
  return all;
}

/** The sharing that these times speak for, of texts of ascending length. */
export function placementOf(times: readonly Times[]): Placement {
  const words = times.map(
    ({ tokens, gpu, cpu }) => `${tokens} tokens take ${ms(gpu)} on the GPU and ${ms(cpu)} on the CPU`,
  );
  const measured = `Measured: ${words.join(', ')}.`;
  const cpuTokens = crossing(times);
  if (cpuTokens === 0) return { cpuTokens, reason: measured };
  const those = cpuTokens === ALL ? 'All runs' : `Runs of up to ${cpuTokens} tokens`;
  return { cpuTokens, reason: `${measured} ${those} are left to the CPU.` };
}

/** The tokens up to which the CPU is faster: where the lines through the times cross. */
function crossing(times: readonly Times[]): number {
  const [short, long] = times;
  if (short === undefined || (short.gpu <= short.cpu && (long === undefined || long.gpu <= long.cpu))) return 0;
  if (long === undefined || long.gpu >= long.cpu) return ALL;
  const [gain, loss] = [long.cpu - long.gpu, short.gpu - short.cpu];
  return Math.floor(short.tokens + ((long.tokens - short.tokens) * loss) / (gain + loss));
}

function ms(time: number): string {
  return `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
}

/** What was measured under `key` by an earlier page; storage that does not work costs nothing but a measurement. */
async function remembered(key: string): Promise<Placement | undefined> {
  return stored('readonly', (store) => settled<Placement | undefined>(store.get(key)));
}

async function remember(key: string, placement: Placement): Promise<void> {
  await stored('readwrite', async (store) => {
    store.put(placement, key);
    await completed(store.transaction);
  });
}

async function stored<T>(mode: IDBTransactionMode, use: (store: IDBObjectStore) => Promise<T>): Promise<T | undefined> {
  try {
    const database = await openDatabase(DATABASE, (database) => database.createObjectStore(STORE));
    try {
      return await answered(use(database.transaction(STORE, mode).objectStore(STORE)));
    } finally {
      database.close();
    }
  } catch {
    return undefined;
  }
}
