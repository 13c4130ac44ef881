import { type Abilities, findAbilities } from './abilities.js';
import { isTrap, messageOf, PilotLightError, toPilotLightError } from './errors.js';
import { Helpers } from './helpers.js';
import { CPU_BUILDS, type CpuBuild } from './lists.js';
import type { StartArgs } from './protocol.js';
import type { Build, DeviceReport } from './types.js';
import type { Device } from './wasm/cpu/pilot_light.js';

type Module = typeof import('./wasm/cpu/pilot_light.js');

/** The WebAssembly side. All builds have the same interface, but for what their instances export to their glue. */
export type Wasm = Omit<Module, 'default' | 'initSync'> & {
  default(options?: { module_or_path: string }): Promise<unknown>;
};

/** The artefacts of a thread. */
export interface Artefacts {
  /** Downloads and starts one, only when it is needed, with as many threads. */
  open(build: Build, address: string | undefined, threads: number): Promise<OpenArtefact>;
  /**
   * Those that have trapped. Their glue holds one instance for the thread's life, so that they
   * cannot be started afresh in it; a worker is replaced instead.
   */
  stopped: Set<Build>;
  /** What this browser can do, in this thread. */
  abilities(): Abilities;
}

/** An artefact that runs. */
export interface OpenArtefact {
  wasm: Wasm;
  /** How many threads share its work. */
  threads: number;
  /** Why they are fewer than were asked for. */
  fault?: string | undefined;
}

/** A device and the artefact that it belongs to. */
export interface OpenDevice {
  wasm: Wasm;
  device: Device;
  report: DeviceReport;
}

const running = new Map<Build, Promise<OpenArtefact>>();

/** The artefacts of this thread. */
export const artefacts: Artefacts = { open: openOnce, stopped: new Set(), abilities: findAbilities };

/** Where each of them is; a bundler must see all of the addresses. */
const MODULES: Record<Build, () => Promise<Wasm>> = {
  cpu: () => import('./wasm/cpu/pilot_light.js'),
  'cpu-relaxed': () => import('./wasm/cpu-relaxed/pilot_light.js'),
  'cpu-threads': () => import('./wasm/cpu-threads/pilot_light.js'),
  gpu: () => import('./wasm/gpu/pilot_light.js'),
};

function openOnce(build: Build, address: string | undefined, threads: number): Promise<OpenArtefact> {
  const opening = running.get(build) ?? openArtefact(build, address, threads);
  running.set(build, opening);
  opening.catch(() => running.delete(build));
  return opening;
}

async function openArtefact(build: Build, address: string | undefined, threads: number): Promise<OpenArtefact> {
  const helpers = new Helpers(build === 'cpu-threads' ? threads - 1 : 0);
  try {
    const wasm = await MODULES[build]();
    await wasm.default(address === undefined ? undefined : { module_or_path: address });
    const joined = threads > 1 && build === 'cpu-threads' ? await helpers.join(wasm.instance()) : 0;
    return { wasm, threads: 1 + joined, fault: helpers.fault };
  } catch (cause) {
    helpers.end();
    throw new PilotLightError(
      'backend-unavailable',
      `The artefact '${build}' could not be started: ${messageOf(cause)}`,
      { retryable: true, cause },
    );
  }
}

/**
 * Opens the device that `args` ask for. `'auto'` looks for an adapter before anything is downloaded,
 * so that a visitor without WebGPU never downloads the GPU artefact.
 *
 * @throws PilotLightError kind 'backend-unavailable' where `'webgpu'` or a build was asked for and cannot be had.
 */
export async function openDevice(args: StartArgs, artefacts: Artefacts): Promise<OpenDevice> {
  const { device: requested, wasmPaths } = args;
  const { open, stopped } = artefacts;
  if (requested === 'wasm') return openCpu(args, artefacts, 'The CPU was asked for.');
  if (args.fallback !== undefined) return openCpu(args, artefacts, args.fallback);
  let reason = 'The WebGPU instance of this page has stopped.';
  const found = stopped.has('gpu') ? { lacking: reason } : await findAdapter();
  if ('lacking' in found) {
    reason = found.lacking;
  } else {
    try {
      const { wasm, threads } = await open('gpu', wasmPaths.gpu, 1);
      const device = await trapped(() => wasm.Device.webgpu());
      const told = {
        requested,
        reason: 'WebGPU agrees with the CPU on a golden input.',
        build: 'gpu',
        threads,
      } as const;
      return { wasm, device, report: { ...told, kind: device.kind, adapter: found.name ?? device.adapter } };
    } catch (thrown) {
      if (isTrap(thrown)) stopped.add('gpu');
      reason = `WebGPU was not taken: ${toPilotLightError(thrown).message}`;
    }
  }
  if (requested === 'webgpu') throw new PilotLightError('backend-unavailable', reason);
  return openCpu(args, artefacts, reason);
}

/** Opens the CPU with the best build that starts; `reason` is why it is the CPU. */
async function openCpu(args: StartArgs, { open, stopped, abilities }: Artefacts, reason: string): Promise<OpenDevice> {
  const { builds, threads, note } = choose(args, abilities());
  // One that has stopped is replaced by the next best; the GPU's has the CPU's code as well.
  const left = [...builds, ...(stopped.size > 0 ? (['gpu'] as const) : [])].filter((build) => !stopped.has(build));
  let why = note === undefined ? reason : `${reason} ${note}`;
  let failure = new PilotLightError(
    'internal',
    'The WebAssembly instances of this page have stopped. Reload the page, or leave the work to a worker (worker: true), which can be started afresh.',
  );
  for (const build of left) {
    try {
      const opened = await open(build, args.wasmPaths[build], threads);
      const device = opened.wasm.Device.cpu();
      if (opened.fault !== undefined) why += ` Not all threads could be started: ${opened.fault}.`;
      const { kind, adapter } = device;
      return {
        wasm: opened.wasm,
        device,
        report: { kind, requested: args.device, reason: why, adapter, build, threads: opened.threads },
      };
    } catch (thrown) {
      failure = toPilotLightError(thrown);
      why += ` ${failure.message}`;
    }
  }
  throw failure;
}

/** The builds that can compute on the CPU here, the best first, and what is to be told of the choice. */
function choose(
  { cpuBuild, numThreads }: StartArgs,
  { relaxedSimd, noThreads, cores }: Abilities,
): { builds: Build[]; threads: number; note?: string } {
  const threads = numThreads || Math.min(MOST_THREADS, Math.max(2, cores >> 1));
  const lacking: Record<CpuBuild, string | undefined> = {
    'cpu-threads': noThreads ?? (relaxedSimd ? undefined : NO_RELAXED_SIMD),
    'cpu-relaxed': relaxedSimd ? undefined : NO_RELAXED_SIMD,
    cpu: undefined,
  };
  if (cpuBuild !== 'auto') {
    if (lacking[cpuBuild] === undefined) return { builds: [cpuBuild], threads };
    throw new PilotLightError('backend-unavailable', `The build '${cpuBuild}' cannot run: ${lacking[cpuBuild]}.`);
  }
  const builds = CPU_BUILDS.filter((build) => lacking[build] === undefined && (threads > 1 || build !== 'cpu-threads'));
  const denied = numThreads > 1 ? lacking['cpu-threads'] : undefined;
  return { builds, threads, ...(denied !== undefined && { note: `There is one thread: ${denied}.` }) };
}

const NO_RELAXED_SIMD = 'this browser has no relaxed SIMD';
/** More are seldom faster, and the page wants some processors for itself. */
const MOST_THREADS = 4;

/** What of the browser's own description of a GPU makes a name; most browsers tell only some of it. */
interface AdapterInfo {
  vendor?: string;
  architecture?: string;
  device?: string;
  description?: string;
}

/** The name of the GPU that this thread can have, as far as the browser tells it, or why there is none. */
async function findAdapter(): Promise<{ name: string | undefined } | { lacking: string }> {
  const gpu = globalThis.navigator?.gpu;
  if (gpu === undefined) return { lacking: 'This browser has no WebGPU here (it needs https or localhost).' };
  try {
    const adapter: { info?: AdapterInfo } | null = await gpu.requestAdapter();
    if (adapter === null) return { lacking: 'No WebGPU adapter was found.' };
    const { vendor, architecture, device, description } = adapter.info ?? {};
    return { name: [vendor, architecture, device, description].filter(Boolean).join(' ') || undefined };
  } catch (error) {
    return { lacking: `The WebGPU adapter was refused: ${messageOf(error)}` };
  }
}

/**
 * The result of a call into WebAssembly. A panic after the call's first wait leaves its promise
 * open for ever and surfaces only as an uncaught error of this thread; it ends the call here.
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
