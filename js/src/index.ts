// The public names of the package. Importing it runs nothing.
export { cascade, type CascadeCallOptions, type CascadeOptions, type CascadePipeline } from './cascade.js';
export { env, type Env } from './env.js';
export { PilotLightError } from './errors.js';
export type { Disposable, LoadingOptions, PipelineOptions } from './handle.js';
export { model, type Model, type ModelOptions, type Tensors } from './model.js';
export {
  pipeline,
  type CallOptions,
  type FeatureExtractionOptions,
  type FeatureExtractionPipeline,
  type Pipelines,
  type TextClassificationOptions,
  type TextClassificationPipeline,
  type TokenClassificationOptions,
  type TokenClassificationPipeline,
  type ZeroShotClassificationPipeline,
  type ZeroShotOptions,
} from './pipeline.js';
export type { ProgressCallback, ProgressInfo, ProgressTotal } from './progress.js';
export { tensor, type Tensor, type TensorArrays } from './tensor.js';
export type { Remote } from './transport.js';
export type {
  CascadeConfig,
  Classification,
  DeviceChoice,
  DeviceReport,
  DType,
  Entity,
  EntityGroup,
  Envelope,
  ErrorKind,
  Port,
  RunOptions,
  Task,
  TensorType,
  ZeroShot,
} from './types.js';
