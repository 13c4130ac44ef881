// The public names of the package. Importing it runs nothing.
export { cascade, type CascadeCallOptions, type CascadeOptions, type CascadePipeline } from './cascade.js';
export type { CalibrateOptions, CalibrateProgress } from './calibrate.js';
export type { LocalModel, RouterModel } from './chain.js';
export type { LabelledEntity, LabelledText } from './labels.js';
export { env, type CpuBuild, type Env } from './env.js';
export { PilotLightError } from './errors.js';
export type { Disposable, LoadingOptions, PipelineOptions } from './handle.js';
export { model, type Model, type ModelOptions, type Tensors } from './model.js';
export {
  pipeline,
  type CallOptions,
  type FeatureExtractionOptions,
  type FeatureExtractionPipeline,
  type FileClassificationOptions,
  type FileClassificationPipeline,
  type ImageToTextCallOptions,
  type ImageToTextPipeline,
  type Pipelines,
  type TextClassificationOptions,
  type TextClassificationPipeline,
  type TokenClassificationOptions,
  type TokenClassificationPipeline,
  type VoiceActivityDetectionOptions,
  type VoiceActivityDetectionPipeline,
  type ZeroShotClassificationPipeline,
  type ZeroShotOptions,
} from './pipeline.js';
export type { AudioInput, FileInput, ImageInput } from './media.js';
export type { ProgressCallback, ProgressInfo, ProgressTotal } from './progress.js';
export { tensor, type Tensor, type TensorArrays } from './tensor.js';
export type { Watchers } from './delegate.js';
export type { Ledger, LedgerSummary } from './ledger.js';
export type { Redactor, RedactorModel } from './redactor.js';
export type { BuiltInRemote, Remote, ServerRemote } from './remote.js';
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
