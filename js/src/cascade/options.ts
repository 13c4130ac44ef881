// Public types of cascades: what they are made of, what a question takes, and what a cascade can do.
import type { Disposable } from '../page/handle.js';
import type { PipelineOptions } from '../page/load-options.js';
import type { CallOptions } from '../tasks/adapter.js';
import type { RunOptions } from '../tasks/index.js';
import type { InformationExtractionOptions } from '../tasks/information-extraction.js';
import type { Calibrated, Calibration, CascadeConfig, Envelope, ExtractedRecord } from '../types.js';
import type { CalibrateOptions } from './calibrate.js';
import type { LabelledText } from './labels.js';
import type { Learning, LearnOptions } from './learning.js';
import type { LocalModel, RECORDS, RouterModel } from './local-models.js';
import type { Redactor, RedactorModel } from './redactor.js';
import type { CascadeCallbacks } from './remote-driver.js';
import type { Remote } from './remotes.js';
import type { Ledger } from './usage-ledger.js';

/** What a cascade is made of. */
export interface CascadeOptions {
  /**
   * The specialised model, loaded as by `pipeline`. Or several, one behind the other, for the same task with the same
   * labels: what the first is not sure of goes through the next, and what the last is not sure of to the remote. They
   * run in one engine, so `device` and `worker` are the same for all.
   */
  local: LocalModel | LocalModel[];
  /**
   * The remote (general) models, in the order in which they are asked: the next one where one fails. Without any, every
   * answer is local, and flagged where it is unsure.
   */
  remote?: Remote | Remote[];
  /**
   * Predicts which of the first two `remote`s a text is for: the first is taken to be the cheaper one, and the second
   * the better one. Where the better one gains at least `min_gain` it is asked first, and where it fails the other is.
   */
  router?: RouterModel;
  /** When to ask the remotes, and what may leave the device. */
  policy?: CascadeConfig['policy'];
  /**
   * Finds the personal data of a text that has no fixed form, such as names, where the policy's `privacy` is
   * `'redact'`: the name or address of a model for token-classification, which is loaded when a text is to be sent for
   * the first time; `{ model }` with options of its load; or a function. `'rampart'` by default, which finds names in
   * Latin, Chinese and Japanese script, and misses most in others. If it cannot be had, nothing is sent.
   */
  redactor?: string | RedactorModel | Redactor;
  /**
   * Learns from the answers of the remotes, so that fewer texts are sent over time: a linear head on the local model's
   * embeddings, which begins with the labels alone (`local.task` is then 'feature-extraction') or with the head of the
   * local model. It sets its threshold itself, and promises nothing before that has been tested; each answer says
   * whether something is promised.
   */
  learn?: true | LearnOptions;
  /** The calibration of the local model, as `calibrate` gave it; of several models, each has its own. */
  calibration?: Calibration;
  /** Aborts the load. */
  signal?: AbortSignal;
  /** Receives the progress of the load. */
  progress_callback?: PipelineOptions['progress_callback'];
}

/** What a cascade that learns is made of. */
export interface LearningCascadeOptions extends Omit<CascadeOptions, 'router' | 'calibration'> {
  learn: true | LearnOptions;
}

/** What a cascade of records is made of. */
export interface RecordCascadeOptions extends Omit<CascadeOptions, 'router' | 'learn'> {
  /** The model that reads records, loaded as by `pipeline`; the fields that it is not sure of go to the remote. */
  local: LocalModel & { task: typeof RECORDS };
}

/** Options of one question; `candidate_labels` and the like are the task's. */
export interface CascadeCallOptions extends CallOptions, CascadeCallbacks, RunOptions {
  /** Nothing of these texts leaves the device, whatever the policy allows and however unsure the local models are. */
  must_stay_local?: boolean;
  /**
   * Who these texts came from, such as the number of a sender; for a cascade that learns. Of the room that each label
   * would have if all had the same, one source fills at most a fourth, so that somebody who writes many texts cannot
   * fill a label alone. A digest of it is kept.
   */
  source?: string;
  /**
   * How much the remote's labels of these texts count in training, above 0 and at most 1, the default: less where the
   * caller trusts them less. For a cascade that learns.
   */
  agreement?: number;
}

/** Answers texts, each with one envelope that says what the answer is, where it came from and why. */
export interface CascadePipeline extends CascadeControls {
  (text: string, options?: CascadeCallOptions): Promise<Envelope>;
  (texts: string[], options?: CascadeCallOptions): Promise<Envelope[]>;
}

/** An envelope around a record. Its `delegated` says which fields were asked of a remote model, and which it gave. */
export type RecordEnvelope = Envelope & { output: ExtractedRecord };

/** The options of a record, with its schema. */
export type RecordCallOptions = CascadeCallOptions & InformationExtractionOptions;

/** Reads records out of texts, and asks a remote model for the fields alone that the local model is not sure of. */
export interface RecordCascadePipeline extends CascadeControls {
  (text: string, options: RecordCallOptions): Promise<RecordEnvelope>;
  (texts: string[], options: RecordCallOptions): Promise<RecordEnvelope[]>;
}

/** One that learns. */
export interface LearningCascadePipeline extends CascadePipeline {
  /** What it has learnt. */
  readonly learning: Learning;
}

/** What can be done with a cascade besides asking it. */
export interface CascadeControls extends Disposable {
  /**
   * The confidence at or above which the local answer is the answer. It may be set, from 0 to 1. With several local
   * models it is that of the last one, below which the remotes are asked.
   */
  threshold: number;
  /** Those of all local models, in their order. They may be set as well. */
  thresholds: number[];
  /** The calibration of each local model, from its `pilot.json` or by `calibrate`; null for a model without one. */
  readonly calibrations: readonly (Calibration | null)[];
  /**
   * Finds the threshold that keeps a guarantee, from labelled examples, and sets it; where none does, it stays as it
   * is. With several local models, `tier` says for which one.
   * Examples without a label are put to the remotes first, within the policy and the caps. The `calibration` can be
   * stored, and passed to `cascade` the next time.
   *
   * @throws PilotLightError Its kind is 'budget-exhausted' where a cap ends the labelling and 'remote' where no remote
   * answers; `labelled` keeps what was answered.
   */
  calibrate(examples: LabelledText[], options?: CalibrateOptions): Promise<Calibrated>;
  /**
   * An answer in words: the numbers that it was decided from, what follows from them, and what came of it. They are in
   * the envelope's `decision`, without any text, so a stored envelope can be explained as well.
   */
  explain(envelope: Envelope): Promise<string>;
  /** The usage of all tabs since it was last cleared, and whether texts are still like the calibration's examples. */
  readonly ledger: Ledger;
}
