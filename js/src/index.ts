// The public names of the package. Importing it runs nothing.
export { cascade, type CascadeCallOptions, type CascadeOptions, type CascadePipeline } from './cascade.js';
export { env, type Env } from './env.js';
export { PilotLightError } from './errors.js';
export type { Disposable, PipelineOptions } from './handle.js';
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
export type { Tensor } from './shapes.js';
export type { Remote } from './transport.js';
export type {
  CascadeConfig,
  Classification,
  DeviceChoice,
  DeviceReport,
  Entity,
  EntityGroup,
  Envelope,
  ErrorKind,
  RunOptions,
  Task,
  ZeroShot,
} from './types.js';
