// Public names of the package. Importing it runs nothing.
export type { CalibrateOptions, CalibrateProgress } from './cascade/calibrate.js';
export { cascade } from './cascade/cascade.js';
export type { LabelledEntity, LabelledText } from './cascade/labels.js';
export type { ExportedHead, Learning, LearnOptions } from './cascade/learning.js';
export type { LocalModel, RouterModel } from './cascade/local-models.js';
export type {
  CascadeCallOptions,
  CascadeControls,
  CascadeOptions,
  CascadePipeline,
  LearningCascadeOptions,
  LearningCascadePipeline,
  RecordCallOptions,
  RecordCascadeOptions,
  RecordCascadePipeline,
  RecordEnvelope,
} from './cascade/options.js';
export type { Redactor, RedactorModel } from './cascade/redactor.js';
export type { CascadeCallbacks } from './cascade/remote-driver.js';
export type { BuiltInRemote, Remote, ServerRemote } from './cascade/remotes.js';
export type { Ledger, LedgerSummary } from './cascade/usage-ledger.js';
export type { AudioInput, DecodedSound, FileInput, ImageInput } from './io/media.js';
export type { ProgressCallback, ProgressInfo, ProgressTotal } from './io/progress.js';
export { type OpenAIClient, openai } from './openai/client.js';
export type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionParams,
  Completion,
  CompletionParams,
  CompletionUsage,
  Stream,
} from './openai/types.js';
export { type Env, env } from './page/env.js';
export type { Disposable } from './page/handle.js';
export type { LoadingOptions, PipelineOptions } from './page/load-options.js';
export { type Model, type ModelOptions, model, type Tensors } from './page/model.js';
export { pipeline } from './page/pipeline.js';
export { type Tensor, type TensorArrays, tensor } from './page/tensor.js';
export type { TextStream } from './page/text-stream.js';
export type { LearningStatus } from './protocol/learning.js';
export { PilotLightError } from './shared/errors.js';
export type { CpuBuild } from './shared/lists.js';
export type { CallOptions } from './tasks/adapter.js';
export type * from './tasks/index.js';
export type {
  Account,
  Build,
  Calibrated,
  Calibration,
  CascadeConfig,
  ChatMessage,
  Classification,
  Decision,
  DelegatedFields,
  DeviceChoice,
  DeviceReport,
  DriftReport,
  Dropped,
  DType,
  Entity,
  EntityGroup,
  Envelope,
  ErrorKind,
  ExtractedRecord,
  FieldSource,
  GeneratedToken,
  GenerationOptions,
  GraphOptions,
  ImageText,
  ImageToTextOptions,
  Labels,
  LearningReport,
  LearnLabel,
  Overflow,
  PiiSpan,
  Port,
  Reason,
  RecordField,
  RecordSpan,
  RemoteConfig,
  SpeechOptions,
  SpeechSegment,
  Summary,
  TensorType,
  TextLine,
  ToolCall,
  ZeroShot,
} from './types.js';
