import type { DEVICES } from './lists.js';
import type { Pixels, TensorType } from './wasm/cpu/pilot_light.js';

// The types of the WebAssembly side, generated from the Rust definitions.
export type {
  Account,
  AnswerOutput,
  Build,
  Calibrated,
  Calibration,
  CascadeConfig,
  Check,
  Classification,
  Decision,
  DeviceReport,
  DType,
  Entity,
  EntityGroup,
  Envelope,
  ErrorKind,
  Example,
  Features,
  Fed,
  FileClassification,
  FileRequest,
  GraphOptions,
  Guarantee,
  ImageText,
  ImageToTextOptions,
  Labels,
  LedgerView,
  LoadOptions,
  Marked,
  MarkedSpan,
  Pixels,
  RawTensor,
  Reason,
  RemoteConfig,
  RemoteEvent,
  RemoteRequest,
  RunOptions,
  RunOutput,
  Source,
  SpeechOptions,
  SpeechSegment,
  Step,
  Summary,
  TensorType,
  TextLine,
  Turn,
  Watch,
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
export type Task = TextTask | 'file-classification' | 'voice-activity-detection' | 'image-to-text';

/** Those that are done with texts. */
export type TextTask =
  | 'feature-extraction'
  | 'text-classification'
  | 'token-classification'
  | 'zero-shot-classification';

/** What a model reads: texts, the bytes of files, samples or pixels. */
export type Inputs = string[] | Uint8Array[] | Float32Array[] | Pixels[];

/** The device asked for: `'auto'` takes WebGPU where it is there and proves right, else the CPU (`'wasm'`). */
export type DeviceChoice = (typeof DEVICES)[number];
