// ONNX models: `model` loads a file, and its `run` takes and gives tensors.

import { baseAddress } from '../shared/base-address.js';
import { describe, refuseUnknown, splitSignal } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import type { CallOptions } from '../tasks/adapter.js';
import type { DeviceReport, GraphOptions, Port, RawTensor } from '../types.js';
import { env } from './env.js';
import { Handle } from './handle.js';
import type { LoadingOptions } from './load-options.js';
import { resolveFile } from './resolve.js';
import { checkTensor, fromRaw, type Tensor, toRaw } from './tensor.js';

/** How an ONNX file is loaded. */
export interface ModelOptions extends LoadingOptions {
  /**
   * The names of files next to the model that hold weights, such as `['model.onnx_data']`, to be requested together
   * with the model. Files that the model names and this list does not are requested once the model has arrived.
   */
  external_data?: string[];
  /** Upper limits of what the file, and a run of it, may ask for; beyond them it is refused. */
  limits?: GraphOptions['limits'];
  /** Which operators are fused into one, all of them by default; each fusion can be turned off for comparison. */
  fusion?: GraphOptions['fusion'];
  /** A tensor of fewer floats than this is not copied to the GPU, 1024 by default; such are scales and shapes. */
  gpu_min_elements?: number;
  /**
   * Whether products with constant matrices, of 32-bit floats or packed in blocks of 4 or 8 bits, are computed in 8-bit
   * integers on the CPU; they are not by default. On a GPU those of 4 bits are left to the GPU.
   */
  int8?: boolean;
}

/** Tensors by name. */
export type Tensors = Record<string, Tensor>;

/** An ONNX model that can be run. */
export interface Model {
  /** The device in use, and why. It changes if the device is lost. */
  readonly device: DeviceReport;
  /** The type of the weights, as the name of the file says: a `DType`. */
  readonly dtype: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * Its outputs for these inputs.
   *
   * @throws PilotLightError kind 'invalid-input', before anything runs, for inputs whose names, types or
   * shapes are not the model's, and where the model itself finds the values impossible.
   */
  run(inputs: Tensors, options?: CallOptions): Promise<Tensors>;
  /** Frees the model once its running calls have ended; later calls are refused. */
  dispose(): Promise<void>;
}

/**
 * Loads an ONNX model.
 *
 * @example
 * const m = await model('/models/x/model.onnx');
 * const { logits } = await m.run({ input_ids: tensor('int64', [101n, 102n], [1, 2]) });
 *
 * @param file The address of its file, or its name under `env.localModelPath`. With `dtype`, the file next to
 * it that is named for that type: `model_q4.onnx` for `model.onnx` and `'q4'`.
 * @throws PilotLightError Its kind is 'unsupported' for unknown operators or types, all of them
 * named; the others are those of `pipeline`.
 */
export async function model(file: string, options: ModelOptions = {}): Promise<Model> {
  const { external_data = [], limits, fusion, gpu_min_elements, int8, ...loading } = options;
  if (!Array.isArray(external_data) || external_data.some((name) => typeof name !== 'string')) {
    throw invalidInput('external_data must be an array of file names.');
  }
  const graph: GraphOptions = {
    ...(limits && { limits }),
    ...(fusion && { fusion }),
    ...(gpu_min_elements !== undefined && { gpu_min_elements }),
    ...(int8 !== undefined && { int8 }),
  };
  const { dtype, revision } = loading;
  const location = resolveFile(file, revision, env, baseAddress());
  const files = { ...location, model: file, external_data, options: dtype === undefined ? {} : { dtype } };
  const handle = await Handle.load({ graph: { ...files, graph } }, loading);
  const { inputs, outputs } = handle.info;
  return {
    get device() {
      return handle.device;
    },
    get dtype() {
      return handle.info.dtype;
    },
    inputs,
    outputs,
    run: async (tensors, given) => {
      const { signal, rest } = splitSignal<CallOptions>(given);
      refuseUnknown('', rest, ['signal']);
      const raw = feeds(inputs, tensors);
      return handle.call(signal, async () => {
        const results = await handle.request('runGraph', { inputs: raw }, signal);
        return Object.fromEntries(results.map((output) => [output.name, fromRaw(output)]));
      });
    },
    dispose: () => handle.dispose(),
  };
}

/** `tensors` in the order of the model's inputs, if they are what it takes. */
export function feeds(inputs: readonly Port[], tensors: unknown): RawTensor[] {
  if (typeof tensors !== 'object' || tensors === null) {
    throw invalidInput(`The inputs must be an object of tensors by name, got ${describe(tensors)}.`);
  }
  const names = inputs.map(({ name }) => name);
  const unknown = Object.keys(tensors).find((name) => !names.includes(name));
  if (unknown !== undefined) throw invalidInput(`Unknown input '${unknown}'; the model takes ${names.join(', ')}.`);
  return inputs.map((port) => {
    const what = `The input '${port.name}'`;
    if (!Object.hasOwn(tensors, port.name))
      throw invalidInput(`${what} is missing; the model takes ${names.join(', ')}.`);
    const tensor = checkTensor(what, (tensors as Tensors)[port.name]);
    if (tensor.type !== port.type) throw invalidInput(`${what} is ${tensor.type}; the model takes ${port.type}.`);
    checkShape(what, tensor, port);
    return toRaw(port.name, tensor);
  });
}

function checkShape(what: string, { dims }: Tensor, port: Port): void {
  if (port.dims === undefined) return;
  const same = (dim: number | string, i: number): boolean => typeof dim === 'string' || dim === dims[i];
  if (port.dims.length === dims.length && port.dims.every(same)) return;
  const wanted = port.dims.map((dim) => (dim === '' ? '?' : dim)).join(', ');
  throw invalidInput(`${what} has the shape [${dims.join(', ')}]; the model takes [${wanted}].`);
}
