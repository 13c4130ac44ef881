import type { TensorType } from './wasm/cpu/pilot_light.js';

// The types of the WebAssembly side, generated from the Rust definitions.
export type {
  CascadeConfig,
  Classification,
  DeviceReport,
  DType,
  Entity,
  EntityGroup,
  Envelope,
  ErrorKind,
  Features,
  FileRequest,
  LoadOptions,
  RawTensor,
  RemoteEvent,
  RemoteRequest,
  RunOptions,
  RunOutput,
  Step,
  TensorType,
  ZeroShot,
} from './wasm/cpu/pilot_light.js';

/** What an ONNX model takes or gives. */
export interface Port {
  name: string;
  type: TensorType;
  /**
   * Its dimensions: a number, or the name of one that may be any number, empty where the file gives none;
   * undefined where the file does not tell even how many there are.
   */
  dims: (number | string)[] | undefined;
}

/** What a model is to be used for, named as the Hugging Face hub names it. */
export type Task = 'feature-extraction' | 'text-classification' | 'token-classification' | 'zero-shot-classification';

/** The device asked for: `'auto'` takes WebGPU where it is there and proves right, else the CPU (`'wasm'`). */
export type DeviceChoice = 'auto' | 'wasm' | 'webgpu';
