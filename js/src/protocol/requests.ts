// Requests that an engine answers: their arguments and their results.
import type { Env } from '../page/env.js';
import type { RunOptions } from '../tasks/index.js';
import type {
  AnswerOutput,
  Calibrated,
  Check,
  DeviceChoice,
  DeviceReport,
  Envelope,
  Example,
  ExtractedRecord,
  Fed,
  Guarantee,
  Inputs,
  Labelling,
  LabellingOutcome,
  LabellingTurn,
  Labels,
  LedgerView,
  PiiFindings,
  PiiSpan,
  Pipeline,
  Provenance,
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
import type { LoadArgs, LoadResult } from './loading.js';

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

/** The options of a run, which are the task's. */
type PipelineRunOptions = Parameters<Pipeline['run']>[1];

/** A question to a cascade. */
export interface DecideArgs {
  inputs: string[];
  options: RunOptions;
  /** Of the local models, in their order. */
  thresholds: number[];
  /** Whether nothing may leave the device. */
  must_stay_local: boolean;
  /** What the caller knows of the texts, where it says so. */
  provenance?: Provenance;
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
