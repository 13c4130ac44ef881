// Shared types: those of the WebAssembly side, generated from the Rust definitions, and those of JavaScript alone.
import type { Features, Pixels, TensorType } from './wasm/cpu/pilot_light.js';

export type * from './wasm/cpu/pilot_light.js';

/** An input or an output of an ONNX model. */
export interface Port {
  name: string;
  type: TensorType;
  /**
   * Its dimensions: a number, or the name of a free dimension, empty where the file gives no name;
   * undefined where the file does not even give their count.
   */
  dims: (number | string)[] | undefined;
}

/** The output of a task for some inputs: an entry for each, or the vectors of all. */
export type RunOutput = Features | unknown[];

/** What a model reads: texts, the bytes of files, samples or pixels. */
export type Inputs = string[] | Uint8Array[] | Float32Array[] | Pixels[];
