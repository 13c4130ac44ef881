import { Handle, type LoadingOptions } from './handle.js';
import { invalid, splitSignal } from './input.js';
import type { CallOptions } from './pipeline.js';
import { checkedTensor, fromRaw, type Tensor, toRaw } from './tensor.js';
import type { DeviceReport, GraphOptions, Port, RawTensor } from './types.js';

/** How an ONNX file is loaded. */
export interface ModelOptions extends LoadingOptions {
  /**
   * The files beside the model that hold the weights that it does not hold itself, by their names, such as
   * `['model.onnx_data']`. They are never looked for anywhere else.
   */
  externalData?: string[];
  /** What the file, and a run of it, may ask for; beyond that it is refused. */
  limits?: GraphOptions['limits'];
  /** Which operations are joined into one, all of them by default; each can be turned off for comparison. */
  fusion?: GraphOptions['fusion'];
  /** Floats of a tensor from which it is taken to the GPU, 1024 by default; fewer are scales and shapes. */
  gpu_min_elements?: number;
  /**
   * Whether products with constant matrices, of 32-bit floats or packed in blocks of 4 or 8 bits, are computed in integers of
   * 8 bits on the CPU; they are not by default. On a GPU those of 4 bits are left to it.
   */
  int8?: boolean;
}

/** Tensors by name. */
export type Tensors = Record<string, Tensor>;

/** An ONNX model, ready to be run. */
export interface Model {
  /** The device in use, and why. It changes if the device is lost. */
  readonly device: DeviceReport;
  /** What it takes. */
  readonly inputs: readonly Port[];
  /** What it gives. */
  readonly outputs: readonly Port[];
  /**
   * Its outputs for these inputs.
   *
   * @throws PilotLightError kind 'invalid-input', before anything runs, for inputs whose names, types or
   * shapes are not the model's, and where the model itself finds the numbers impossible.
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
 * @param file The address of its file, or its name under `env.localModelPath`. With `dtype`, the file beside
 * it that is named for that type: `model_q4.onnx` for `model.onnx` and `'q4'`.
 * @throws PilotLightError Its kind is 'unsupported' for operators or types that are not known, all of them
 * named; the others are those of `pipeline`.
 */
export async function model(file: string, options: ModelOptions = {}): Promise<Model> {
  const { externalData = [], limits, fusion, gpu_min_elements, int8, ...rest } = options;
  if (!Array.isArray(externalData) || externalData.some((name) => typeof name !== 'string'))
    throw invalid('externalData must be an array of file names.');
  const graph: GraphOptions = {
    ...(limits && { limits }),
    ...(fusion && { fusion }),
    ...(gpu_min_elements !== undefined && { gpu_min_elements }),
    ...(int8 !== undefined && { int8 }),
  };
  const handle = await Handle.graph(file, externalData, graph, rest);
  const { inputs, outputs } = handle.info;
  return {
    get device() {
      return handle.device;
    },
    inputs,
    outputs,
    run: async (tensors, given) => {
      const { signal, rest: unknown } = splitSignal<CallOptions>(given);
      const [option] = Object.keys(unknown);
      if (option !== undefined) throw invalid(`The option '${option}' is not known.`);
      const raw = feeds(inputs, tensors);
      return handle.call(signal, async () => {
        const given = await handle.request('infer', { inputs: raw }, signal);
        return Object.fromEntries(given.map((output) => [output.name, fromRaw(output)]));
      });
    },
    dispose: () => handle.dispose(),
  };
}

/** `tensors` in the order of the model's inputs, if they are what it takes. */
export function feeds(inputs: readonly Port[], tensors: unknown): RawTensor[] {
  if (typeof tensors !== 'object' || tensors === null)
    throw invalid('The inputs must be an object of tensors by name.');
  const names = inputs.map(({ name }) => name);
  const unknown = Object.keys(tensors).find((name) => !names.includes(name));
  if (unknown !== undefined) throw invalid(`The model takes no '${unknown}'; it takes ${names.join(', ')}.`);
  return inputs.map((port) => {
    const what = `The input '${port.name}'`;
    if (!Object.hasOwn(tensors, port.name)) throw invalid(`${what} is missing; the model takes ${names.join(', ')}.`);
    const tensor = checkedTensor(what, (tensors as Tensors)[port.name]);
    if (tensor.type !== port.type) throw invalid(`${what} is ${tensor.type}; the model takes ${port.type}.`);
    const { dims } = port;
    const fits =
      dims === undefined ||
      (dims.length === tensor.dims.length && dims.every((dim, i) => typeof dim === 'string' || dim === tensor.dims[i]));
    if (!fits)
      throw invalid(
        `${what} has the shape [${tensor.dims.join(', ')}]; the model takes [${dims.map((dim) => (dim === '' ? '?' : dim)).join(', ')}].`,
      );
    return toRaw(port.name, tensor);
  });
}
