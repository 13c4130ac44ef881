import { isTrap, messageOf, PilotLightError, toPilotLightError } from './errors.js';
import type { StartArgs } from './protocol.js';
import type { DeviceReport } from './types.js';
import type { Device } from './wasm/cpu/pilot_light.js';

type Module = typeof import('./wasm/cpu/pilot_light.js');

/** The WebAssembly side. Both artefacts have the same interface, but for what their instances export to their glue. */
export type Wasm = Omit<Module, 'default' | 'initSync'> & {
  default(options?: { module_or_path: string }): Promise<unknown>;
};
export type ArtefactName = 'cpu' | 'gpu';

/** The artefacts of a thread. */
export interface Artefacts {
  /** Downloads and starts one, only when it is needed. */
  open(name: ArtefactName, address: string | undefined): Promise<Wasm>;
  /**
   * Those that have trapped. Their glue holds one instance for the thread's life, so that they
   * cannot be started afresh in it; a worker is replaced instead.
   */
  stopped: Set<ArtefactName>;
}

/** A device and the artefact that it belongs to. */
export interface OpenDevice {
  name: ArtefactName;
  wasm: Wasm;
  device: Device;
  report: DeviceReport;
}

/** The artefacts of this thread. */
export const artefacts: Artefacts = { open: openArtefact, stopped: new Set() };

async function openArtefact(name: ArtefactName, address: string | undefined): Promise<Wasm> {
  try {
    const wasm: Wasm = await (name === 'cpu' ? import('./wasm/cpu/pilot_light.js') : import('./wasm/gpu/pilot_light.js'));
    await wasm.default(address === undefined ? undefined : { module_or_path: address });
    return wasm;
  } catch (cause) {
    throw new PilotLightError('backend-unavailable', `The ${name.toUpperCase()} artefact could not be started: ${messageOf(cause)}`, { retryable: true, cause });
  }
}

/**
 * Opens the device that `args` ask for. `'auto'` looks for an adapter before anything is downloaded,
 * so that a visitor without WebGPU never downloads the GPU artefact.
 *
 * @throws PilotLightError kind 'backend-unavailable' where `'webgpu'` was asked for and cannot be had.
 */
export async function openDevice(args: StartArgs, { open, stopped }: Artefacts): Promise<OpenDevice> {
  const requested = args.device;
  const report = (device: Device, reason: string, adapter = device.adapter): DeviceReport => ({ kind: device.kind, requested, reason, adapter });
  const cpu = async (reason: string): Promise<OpenDevice> => {
    const name = stopped.has('cpu') ? 'gpu' : 'cpu';
    if (stopped.has(name)) {
      throw new PilotLightError(
        'internal',
        'Both WebAssembly instances of this page have stopped. Reload the page, or leave the work to a worker (worker: true), which can be started afresh.',
      );
    }
    const wasm = await open(name, args.wasmPaths[name]);
    const device = wasm.Device.cpu();
    return { name, wasm, device, report: report(device, reason) };
  };

  if (requested === 'wasm') return cpu('The CPU was asked for.');
  if (args.fallback !== undefined) return cpu(args.fallback);
  let reason = 'The WebGPU instance of this page has stopped.';
  const found = stopped.has('gpu') ? { lacking: reason } : await findAdapter();
  if ('lacking' in found) {
    reason = found.lacking;
  } else {
    try {
      const wasm = await open('gpu', args.wasmPaths.gpu);
      const device = await trapped(() => wasm.Device.webgpu());
      return { name: 'gpu', wasm, device, report: report(device, 'WebGPU agrees with the CPU on a golden input.', found.name) };
    } catch (thrown) {
      if (isTrap(thrown)) stopped.add('gpu');
      reason = `WebGPU was not taken: ${toPilotLightError(thrown).message}`;
    }
  }
  if (requested === 'webgpu') throw new PilotLightError('backend-unavailable', reason);
  return cpu(reason);
}

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
