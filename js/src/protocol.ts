import type { Env } from './env.js';
import type { ErrorFacts, PilotLightError } from './errors.js';
import type { ProgressCallback, ProgressInfo } from './progress.js';
import type { ModelFolder } from './resolve.js';
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
  Fed,
  GraphOptions,
  Guarantee,
  ImageToTextOptions,
  Inputs,
  Labels,
  LedgerView,
  LoadOptions,
  Marked,
  MarkedSpan,
  Port,
  RawTensor,
  Reason,
  RemoteEvent,
  RunOptions,
  RunOutput,
  Source,
  SpeechOptions,
  Step,
  Task,
  Turn,
} from './types.js';

/** What an engine is started with. */
export interface StartArgs {
  device: DeviceChoice;
  wasmPaths: Env['wasmPaths'];
  cpuBuild: Env['cpuBuild'];
  numThreads: Env['numThreads'];
  /** Why an earlier engine's GPU is not to be tried again: the CPU is taken, and this is the reason told. */
  fallback?: string | undefined;
  /** Which of its supervisor's engines this is; calls of an earlier one are not known to it. */
  generation: number;
}

/** What a model is loaded with; enough to load it again into a fresh engine. */
export interface LoadArgs {
  /** What it is for; `'model'` for a graph by itself. */
  task: Task | 'model';
  /** The model as the caller named it. */
  model: string;
  folder: ModelFolder;
  options: LoadOptions;
  useBrowserCache: boolean;
  /** Present for a graph by itself: its file, those beside it that it names, and how it is made ready. */
  graph?: { file: string; externalData: string[]; options: GraphOptions };
  /** Present for the local model of a cascade; where it has several, it is the first of them. */
  cascade?: CascadeConfig;
  /** Those behind it, and the router behind them. */
  next?: ChainedModel[];
}

/** A local model of a cascade that stands behind another one. */
export interface ChainedModel {
  task: Task;
  /** As the caller named it. */
  model: string;
  revision: string | undefined;
  folder: ModelFolder;
  options: LoadOptions;
}

/** What a loaded model tells of itself. */
export interface LoadResult {
  /** What it tells apart; empty where it has no labels. */
  labels: string[];
  /** The type of its weights. */
  dtype: DType;
  /** What a graph takes and gives; empty for a task. */
  inputs: Port[];
  outputs: Port[];
  /** The thresholds of a cascade's local models. */
  thresholds?: number[];
  /** How far they may be trusted; null where that is not known. */
  calibrations?: (Calibration | null)[];
}

/** What a cascade is asked. */
export interface DecideArgs {
  inputs: string[];
  options: RunOptions;
  /** Of the local models, in their order. */
  thresholds: number[];
  /** Whether it is answered in here, whatever comes of it. */
  must_stay_local: boolean;
  /** Whether a general model's answer is wanted as such, and the local model is not asked. */
  consult?: boolean;
}

/** What comes of it. */
export interface DecideResult {
  steps: Step[];
  /** Those that are drawn to be checked, each with the place of its text. */
  checks: (Check & { index: number })[];
  generation: number;
  /** What was answered, for the ledger. */
  record?: string;
}

/** What goes on with a question that was decided on; with the question, should the engine be a fresh one. */
export interface DelegateArgs extends DecideArgs {
  call: number;
  generation: number;
  /** Whether the general model's answer is wanted in pieces. */
  stream: boolean;
  /** The personal data in the text, where it was looked for. */
  marked?: Marked;
  /** Whether it was answered already, and is only checked. */
  check?: boolean;
  /** What all tabs have spent on each general model, where there are caps. */
  ledgers?: (string | null)[];
  /** What came of an attempt. */
  event?: RemoteEvent;
  /** Why it is given up. */
  reason?: Reason;
  detail?: string;
}

/** What comes of it. */
export interface TurnResult {
  turn: Turn;
  generation: number;
  /** What has been spent since, to be kept. */
  ledgers?: string[];
  /** What was answered, for the ledger. */
  record?: string;
}

/** The requests that an engine answers. All but `start` name a loaded model by its key. */
export interface Ops {
  start: { args: StartArgs; result: DeviceReport };
  load: { args: LoadArgs; result: LoadResult };
  run: {
    args: { inputs: Inputs; options: RunOptions | Partial<SpeechOptions> | Partial<ImageToTextOptions> };
    result: RunOutput;
  };
  infer: { args: { inputs: RawTensor[] }; result: RawTensor[] };
  mark: { args: { inputs: string[] }; result: MarkedSpan[][] };
  decide: { args: DecideArgs; result: DecideResult };
  ledger: { args: { records: string[] }; result: LedgerView };
  examine: { args: { tier: number; inputs: string[]; truths: AnswerOutput[]; options: RunOptions }; result: Example[] };
  calibrate: {
    args: {
      tier: number;
      examples: Example[];
      labels: Labels;
      promise: Guarantee;
      source: Source;
      options: RunOptions;
    };
    result: Calibrated;
  };
  explain: { args: { envelope: Envelope }; result: string };
  begin: { args: DelegateArgs; result: TurnResult };
  feed: { args: { call: number; generation: number; bytes: Uint8Array; last: boolean }; result: Fed };
  resume: { args: DelegateArgs; result: TurnResult };
  decline: { args: DelegateArgs; result: TurnResult };
  abandon: { args: { call: number; generation: number }; result: { started: number | undefined } };
  dispose: { args: object; result: undefined };
}

export type Op = keyof Ops;
export type Args<K extends Op> = Ops[K]['args'] & { key: number };
export type Result<K extends Op> = Ops[K]['result'];

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ProgressCallback | undefined;
}

/** A way to an engine: in a worker, or in place. */
export interface Connection {
  /** Answered always: with a result, or with a `PilotLightError`. */
  request<K extends Op>(op: K, args: Args<K>, options?: RequestOptions): Promise<Result<K>>;
  /** Why this engine can no longer be used, once it cannot. */
  readonly dead: PilotLightError | undefined;
  /** Ends it; what is pending is rejected. */
  close(): void;
}

/** What is posted to the worker. */
export type ToWorker = { id: number; op: Op; args: Args<Op> } | { abort: number };

/** What the worker posts; `dead` tells that its engine must be replaced. */
export type FromWorker =
  | { id: number; progress: ProgressInfo }
  | { id: number; result: Result<Op> }
  | { id: number; error: ErrorFacts; dead: ErrorFacts | undefined };
