// Requests that an engine answers: their arguments and their results.
import type { ModelFolder } from '../io/fetch-file.js';
import type { Env } from '../page/env.js';
import type { EngineTask, RunOptions } from '../tasks/index.js';
import type {
  AnswerOutput,
  Calibrated,
  Calibration,
  CascadeConfig,
  Check,
  DeviceChoice,
  DeviceReport,
  DType,
  Envelope,
  Example,
  ExtractedRecord,
  Fed,
  GraphOptions,
  Guarantee,
  Inputs,
  Labelling,
  LabellingOutcome,
  LabellingTurn,
  Labels,
  LedgerView,
  LoadOptions,
  PiiFindings,
  PiiSpan,
  Pipeline,
  Port,
  RawTensor,
  Reason,
  RecordOptions,
  RemoteEvent,
  RunOutput,
  Source,
  Step,
  SummarizationOptions,
  Summary,
  Turn,
} from '../types.js';
import type { GenerateArgs, Generated } from './generation.js';
import type { LearningOps } from './learning.js';

/** How an engine is started. */
export interface StartArgs {
  device: DeviceChoice;
  wasmPaths: Env['wasmPaths'];
  cpuBuild: Env['cpuBuild'];
  numThreads: Env['numThreads'];
  /** Why the GPU of an earlier engine is not to be tried again: the CPU is taken, and this is the reported reason. */
  fallback?: string | undefined;
  /** Which of its supervisor's engines this is; calls of an earlier one are unknown to it. */
  generation: number;
}

/** A model for a task, and how it is loaded. */
export interface TaskModel {
  task: EngineTask;
  /** The model as the caller named it. */
  model: string;
  folder: ModelFolder;
  options: LoadOptions;
}

/** An ONNX file, and how it is loaded and prepared. */
export interface GraphModel extends Omit<TaskModel, 'task'> {
  file: string;
  /** The files next to it that hold weights. */
  external_data: string[];
  graph: GraphOptions;
}

/** A model that generates text: a GGUF file, or a folder with a checkpoint or ONNX files. */
export interface GeneratorModel extends Omit<TaskModel, 'task'> {
  file?: string;
}

/** What is loaded: one of the four. It is enough to load it again into a fresh engine. */
export interface LoadArgs {
  pipeline?: TaskModel;
  /** Local models with a router, or one that reads records; `learning` is the name of what it learns, where it does. */
  cascade?: { models: TaskModel[]; generator?: GeneratorModel; config: CascadeConfig; learning?: string };
  graph?: GraphModel;
  generator?: GeneratorModel;
  useBrowserCache: boolean;
}

/** The options of a run, which are the task's. */
type PipelineRunOptions = Parameters<Pipeline['run']>[1];

/** What a loaded model reports of itself. */
export interface LoadResult {
  /** Empty where it has none. */
  labels: string[];
  /** The type of its weights. */
  dtype: DType;
  /** The inputs and outputs of a graph; empty for a task. */
  inputs: Port[];
  outputs: Port[];
  /** The thresholds of a cascade's local models. */
  thresholds?: number[];
  /** Their calibrations; null for a model that has no calibration. */
  calibrations?: (Calibration | null)[];
}

/** A question to a cascade. */
export interface DecideArgs {
  inputs: string[];
  options: RunOptions;
  /** Of the local models, in their order. */
  thresholds: number[];
  /** Whether nothing may leave the device. */
  must_stay_local: boolean;
  /** Whether a remote model's answer is wanted as such, and the local models are not asked. */
  consult?: boolean;
}

/** What was decided. */
export interface DecideResult {
  steps: Step[];
  /** Those that are drawn to be checked, each with the index of its text. */
  checks: (Check & { index: number })[];
  generation: number;
  /** What was answered, for the usage ledger. */
  record?: string;
}

/** The next step of a question that goes to a remote model; with the question, in case the engine is a fresh one. */
export interface AdvanceArgs extends DecideArgs {
  call: number;
  generation: number;
  /** Whether the remote model's answer is wanted in pieces. */
  stream: boolean;
  /** The personal data in the text, where it was looked for. */
  found?: PiiFindings;
  /** Whether the text was answered already, and is only checked. */
  check?: boolean;
  /** The spend log of each remote, as all tabs know it; where there are caps. */
  spend_logs?: (string | null)[];
  /** The result of an attempt. */
  event?: RemoteEvent;
  /** Why the question is given up. */
  reason?: Reason;
  detail?: string;
}

/** The step after it. */
export interface AdvanceResult {
  turn: Turn;
  generation: number;
  /** The spend logs afterwards, to be stored. */
  spend_logs?: string[];
  /** What was answered, for the usage ledger. */
  record?: string;
}

/** The arguments of a calibration of the local model number `tier`. */
export interface CalibrateArgs {
  tier: number;
  examples: Example[];
  labels: Labels;
  promise: Guarantee;
  source: Source;
  options: RunOptions;
}

/** The requests that an engine answers. All but `start` name a loaded model by its key. */
export interface Ops extends LearningOps {
  start: { args: StartArgs; result: DeviceReport };
  load: { args: LoadArgs; result: LoadResult };
  run: { args: { inputs: Inputs; options: PipelineRunOptions }; result: RunOutput };
  runGraph: { args: { inputs: RawTensor[] }; result: RawTensor[] };
  generate: { args: GenerateArgs; result: Generated };
  extract: { args: { text: string; options: RecordOptions }; result: ExtractedRecord };
  summarize: { args: { text: string; options: Partial<SummarizationOptions> }; result: Summary };
  promptTokens: { args: Pick<GenerateArgs, 'prompt'>; result: number[] };
  findPii: { args: { inputs: string[] }; result: PiiSpan[][] };
  decide: { args: DecideArgs; result: DecideResult };
  readUsage: { args: { records: string[] }; result: LedgerView };
  scoreExamples: {
    args: { tier: number; inputs: string[]; truths: AnswerOutput[]; options: RunOptions };
    result: Example[];
  };
  calibrate: { args: CalibrateArgs; result: Calibrated };
  explain: { args: { envelope: Envelope }; result: string };
  startLabelling: { args: { texts: number; batch: number }; result: LabellingTurn };
  advanceLabelling: { args: { state: Labelling; outcomes: LabellingOutcome[] }; result: LabellingTurn };
  enqueue: { args: AdvanceArgs; result: AdvanceResult };
  feed: { args: { call: number; generation: number; bytes: Uint8Array; last: boolean }; result: Fed };
  resume: { args: AdvanceArgs; result: AdvanceResult };
  receive: { args: AdvanceArgs; result: AdvanceResult };
  decline: { args: AdvanceArgs; result: AdvanceResult };
  abandon: { args: { call: number; generation: number }; result: { started: number | undefined } };
  dispose: { args: object; result: undefined };
}

export type Op = keyof Ops;
export type Args<K extends Op> = Ops[K]['args'] & { key: number };
export type Result<K extends Op> = Ops[K]['result'];
