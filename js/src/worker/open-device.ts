// Choice of device and build: WebGPU where it is available and computes correctly, else the best build for the CPU.
import type { Wasm } from '../bundle.js';
import type { StartArgs } from '../protocol/requests.js';
import { within } from '../shared/abort.js';
import { isTrap, messageOf, PilotLightError, toPilotLightError } from '../shared/errors.js';
import { CPU_BUILDS, type CpuBuild } from '../shared/lists.js';
import type { Build, Device, DeviceReport } from '../types.js';
import { type Builds, trapped } from './builds.js';
import type { WasmFeatures } from './wasm-features.js';

/** A device and the build that it belongs to. */
export interface OpenDevice {
  wasm: Wasm;
  device: Device;
  report: DeviceReport;
  /** Milliseconds after which a call is taken to hang. */
  limitMs?: number;
}

/** A GPU that is hardware and says nothing for this long has stopped, though the browser may not have noticed. */
const GPU_MS = 60_000;
const NO_RELAXED_SIMD = 'this browser has no relaxed SIMD';
/** More threads are seldom faster, and the page needs some processors for itself. */
const MAX_THREADS = 4;

/**
 * Opens the device that `args` ask for. `'auto'` looks for an adapter before anything is downloaded,
 * so that a visitor without WebGPU never downloads the GPU's build.
 *
 * @throws PilotLightError kind 'backend-unavailable' where `'webgpu'` or a build was requested and cannot be had.
 */
export async function openDevice(args: StartArgs, builds: Builds): Promise<OpenDevice> {
  if (args.device === 'wasm') return openCpu(args, builds, 'The CPU was asked for.');
  if (args.fallback !== undefined) return openCpu(args, builds, args.fallback);
  const found = await openGpu(args, builds);
  if ('device' in found) return found;
  if (args.device === 'webgpu') throw new PilotLightError('backend-unavailable', found.lacking);
  return openCpu(args, builds, found.lacking);
}

/** Opens the GPU, or says why it cannot be used. */
async function openGpu(args: StartArgs, builds: Builds): Promise<OpenDevice | { lacking: string }> {
  if (builds.stopped.has('gpu')) return { lacking: 'The WebGPU instance of this page has stopped.' };
  const found = await findAdapter();
  if ('lacking' in found) return found;
  if (args.device === 'auto' && found.software) {
    return { lacking: `The WebGPU adapter${found.name ? ` '${found.name}'` : ''} is software, slower than the CPU.` };
  }
  try {
    const { wasm, threads } = await builds.open('gpu', args.wasmPaths.gpu, 1);
    const late = (): Error => new Error(`the GPU gave no answer within ${GPU_MS / 1000} s`);
    const opening = () => trapped(() => wasm.Device.webgpu());
    const device = await (found.software ? opening() : within(GPU_MS, undefined, opening, late));
    const { kind, adapter } = device;
    const reason = 'WebGPU agrees with the CPU on a golden input.';
    const report = {
      requested: args.device,
      reason,
      build: 'gpu',
      threads,
      kind,
      adapter: found.name ?? adapter,
    } as const;
    return { wasm, device, report, ...(found.software ? {} : { limitMs: GPU_MS }) };
  } catch (thrown) {
    if (isTrap(thrown)) builds.stopped.add('gpu');
    return { lacking: `WebGPU was not taken: ${toPilotLightError(thrown).message}` };
  }
}

/** Opens the CPU with the best build that starts; `reason` is why the CPU is used. */
async function openCpu(args: StartArgs, { open, stopped, features }: Builds, reason: string): Promise<OpenDevice> {
  const { candidates, threads, note } = chooseBuilds(args, features());
  // A build that has stopped is replaced by the next best; the GPU's has the CPU's code as well.
  const fallback: Build[] = stopped.size > 0 ? ['gpu'] : [];
  let why = note === undefined ? reason : `${reason} ${note}`;
  let failure = new PilotLightError(
    'internal',
    'The WebAssembly instances of this page have stopped. Reload the page, or leave the work to a worker ' +
      '(worker: true), which can be started afresh.',
  );
  for (const build of [...candidates, ...fallback].filter((build) => !stopped.has(build))) {
    try {
      const opened = await open(build, args.wasmPaths[build], threads);
      const device = opened.wasm.Device.cpu();
      if (opened.fault !== undefined) why += ` Not all threads could be started: ${opened.fault}.`;
      const { kind, adapter } = device;
      const report = { kind, requested: args.device, reason: why, adapter, build, threads: opened.threads };
      return { wasm: opened.wasm, device, report };
    } catch (thrown) {
      failure = toPilotLightError(thrown);
      why += ` ${failure.message}`;
    }
  }
  throw failure;
}

/** The builds that can compute on the CPU here, the best first, and what is to be said of the choice. */
function chooseBuilds(
  { cpuBuild, numThreads }: StartArgs,
  { relaxedSimd, noThreads, cores }: WasmFeatures,
): { candidates: Build[]; threads: number; note?: string } {
  const threads = numThreads || Math.min(MAX_THREADS, Math.max(2, cores >> 1));
  const lacking: Record<CpuBuild, string | undefined> = {
    'cpu-threads': noThreads ?? (relaxedSimd ? undefined : NO_RELAXED_SIMD),
    'cpu-relaxed': relaxedSimd ? undefined : NO_RELAXED_SIMD,
    cpu: undefined,
  };
  if (cpuBuild !== 'auto') {
    if (lacking[cpuBuild] === undefined) return { candidates: [cpuBuild], threads };
    throw new PilotLightError('backend-unavailable', `The build '${cpuBuild}' cannot run: ${lacking[cpuBuild]}.`);
  }
  const runs = (build: CpuBuild): boolean => lacking[build] === undefined && (threads > 1 || build !== 'cpu-threads');
  const denied = numThreads > 1 ? lacking['cpu-threads'] : undefined;
  const note = denied === undefined ? {} : { note: `There is one thread: ${denied}.` };
  return { candidates: CPU_BUILDS.filter(runs), threads, ...note };
}

/** The parts of the browser's description of a GPU that make a name; most browsers give only some of them. */
interface AdapterInfo {
  isFallbackAdapter?: boolean;
  vendor?: string;
  architecture?: string;
  device?: string;
  description?: string;
}

/** An adapter; older browsers say of itself, and not in its description, that it is software. */
interface Adapter {
  info?: AdapterInfo;
  isFallbackAdapter?: boolean;
}

/**
 * The GPU that this thread can use: its name, as far as the browser gives it, and whether it is software that computes
 * on the CPU; or why no GPU can be used.
 */
async function findAdapter(): Promise<{ name: string | undefined; software: boolean } | { lacking: string }> {
  const gpu = globalThis.navigator?.gpu;
  if (gpu === undefined) return { lacking: 'This browser has no WebGPU here (it needs https or localhost).' };
  try {
    const adapter: Adapter | null = await gpu.requestAdapter();
    if (adapter === null) return { lacking: 'No WebGPU adapter was found.' };
    const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info ?? {};
    const name = [vendor, architecture, device, description].filter(Boolean).join(' ') || undefined;
    return { name, software: isFallbackAdapter ?? adapter.isFallbackAdapter ?? false };
  } catch (error) {
    return { lacking: `The WebGPU adapter was refused: ${messageOf(error)}` };
  }
}
