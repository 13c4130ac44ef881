// The public names of the package. Importing it runs nothing.

export type { CalibrateOptions, CalibrateProgress } from './calibrate.js';
export { type CascadeCallOptions, type CascadeOptions, type CascadePipeline, cascade } from './cascade.js';
export type { LocalModel, RouterModel } from './chain.js';
export type { Watchers } from './delegate.js';
export { type Env, env } from './env.js';
export { PilotLightError } from './errors.js';
export type { Disposable, LoadingOptions, PipelineOptions } from './handle.js';
export type { LabelledEntity, LabelledText } from './labels.js';
export type { Ledger, LedgerSummary } from './ledger.js';
export type { CpuBuild } from './lists.js';
export type { AudioInput, FileInput, ImageInput } from './media.js';
export { type Model, type ModelOptions, model, type Tensors } from './model.js';
export {
  type CallOptions,
  type FeatureExtractionOptions,
  type FeatureExtractionPipeline,
  type FileClassificationOptions,
  type FileClassificationPipeline,
  type ImageToTextCallOptions,
  type ImageToTextPipeline,
  type Pipelines,
  pipeline,
  type TextClassificationOptions,
  type TextClassificationPipeline,
  type TokenClassificationOptions,
  type TokenClassificationPipeline,
  type VoiceActivityDetectionOptions,
  type VoiceActivityDetectionPipeline,
  type ZeroShotClassificationPipeline,
  type ZeroShotOptions,
} from './pipeline.js';
export type { ProgressCallback, ProgressInfo, ProgressTotal } from './progress.js';
export type { Redactor, RedactorModel } from './redactor.js';
export type { BuiltInRemote, Remote, ServerRemote } from './remote.js';
export { type Tensor, type TensorArrays, tensor } from './tensor.js';
export type {
  Account,
  Build,
  Calibrated,
  Calibration,
  CascadeConfig,
  Classification,
  Decision,
  DeviceChoice,
  DeviceReport,
  DType,
  Entity,
  EntityGroup,
  Envelope,
  ErrorKind,
  GraphOptions,
  ImageText,
  ImageToTextOptions,
  Labels,
  MarkedSpan,
  Port,
  Reason,
  RemoteConfig,
  RunOptions,
  SpeechOptions,
  SpeechSegment,
  Task,
  TensorType,
  TextLine,
  TextTask,
  Watch,
  ZeroShot,
} from './types.js';
