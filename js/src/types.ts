// The types of the WebAssembly side, generated from the Rust definitions.
export type {
  CascadeConfig,
  Classification,
  DeviceReport,
  Entity,
  EntityGroup,
  Envelope,
  ErrorKind,
  Features,
  FileRequest,
  LoadOptions,
  RemoteEvent,
  RemoteRequest,
  RunOptions,
  RunOutput,
  Step,
  ZeroShot,
} from './wasm/cpu/pilot_light.js';

/** What a model is to be used for, named as the Hugging Face hub names it. */
export type Task = 'feature-extraction' | 'text-classification' | 'token-classification' | 'zero-shot-classification';

/** The device asked for: `'auto'` takes WebGPU where it is there and proves right, else the CPU (`'wasm'`). */
export type DeviceChoice = 'auto' | 'wasm' | 'webgpu';
