// Calibration: finds the threshold at which a local model keeps a guarantee, from labelled examples.
import { sha256 } from '../io/sha256.js';
import type { Handle } from '../page/handle.js';
import { describe, splitSignal } from '../shared/check.js';
import { atInput, invalidInput } from '../shared/errors.js';
import type { CallOptions } from '../tasks/adapter.js';
import type { RunOptions } from '../tasks/index.js';
import type { AnswerOutput, Calibrated, Consultation, Example, Guarantee } from '../types.js';
import { checkExamples, type LabelledText, type LabellingRules, label, truthOf } from './labels.js';

/** How far a calibration is. */
export interface CalibrateProgress {
  /** Whether remote models are asked for labels, or the local model is run on the texts. */
  step: 'labels' | 'scores';
  done: number;
  total: number;
}

/** The guarantee of a calibration, and how its progress is followed. */
export interface CalibrateOptions extends CallOptions, RunOptions {
  /**
   * `'learn-then-test'`, the default: at most `alpha` of the local answers are wrong, with a certainty of 1 - `delta`.
   * `'conformal-risk-control'`: at most `alpha` of all answers are local and wrong, on average.
   */
  method?: 'learn-then-test' | 'conformal-risk-control';
  /** The part that may be wrong; 0.05 by default. */
  alpha?: number;
  /** The probability that the guarantee does not hold; 0.1 by default. */
  delta?: number;
  /**
   * Which of several local models is calibrated, from 0; with one it need not be given. A model behind others sees what
   * they are not sure of, so only such examples count for it: calibrate the first one first, and bring more examples
   * for the next.
   */
  tier?: number;
  /**
   * The answers of remote models to texts without a label are appended to it as they come. Keep it, also where the
   * calibration failed or was aborted, and pass it again: texts in it are not asked about a second time.
   */
  labelled?: LabelledText[];
  /** Called after every few texts. */
  progress_callback?: (progress: CalibrateProgress) => void;
}

/** Asks remote models about texts as such; the local models are not asked. */
type ConsultWith = (texts: string[], options: RunOptions, signal: AbortSignal | undefined) => Promise<Consultation[]>;

/** Texts between two reports of progress, and between two moments at which an abort is noticed. */
const STEP = 32;

/**
 * Finds the threshold at which the local model keeps the guarantee. The examples must be like the texts to come, must
 * not be those that the model was trained on, and their order must mean nothing. Those without a label are put to the
 * remote models, by `consult`.
 */
export async function calibrate(
  handle: Handle,
  texts: unknown,
  options: CalibrateOptions | undefined,
  consult: ConsultWith,
): Promise<Calibrated> {
  const given = checkExamples(texts);
  const { signal, rest } = splitSignal(options);
  const { method = 'learn-then-test', alpha = 0.05, delta = 0.1, labelled = [], progress_callback, ...more } = rest;
  const { tier: chosen, ...runOptions } = more;
  checkExamples(labelled, 'Labelled text');
  if (progress_callback !== undefined && typeof progress_callback !== 'function') {
    throw invalidInput(`progress_callback must be a function, got ${describe(progress_callback)}.`);
  }
  const tier = checkTier(chosen, (handle.info.thresholds ?? []).length);
  const promise = (method === 'learn-then-test' ? { method, alpha, delta } : { method, alpha }) as Guarantee;
  return handle.call(signal, async () => {
    const report = (step: CalibrateProgress['step'], total: number) => (done: number) =>
      progress_callback?.({ step, done, total });
    const ask = (batch: string[]): Promise<Consultation[]> => consult(batch, runOptions, signal);
    const rules: LabellingRules = {
      start: (texts, batch) => handle.request('startLabelling', { texts, batch }),
      advance: (state, outcomes) => handle.request('advanceLabelling', { state, outcomes }),
    };
    const { examples, labels } = await label(given, labelled, ask, report('labels', given.length), rules, signal);
    const scored: Example[] = [];
    const reportScores = report('scores', examples.length);
    for (let at = 0; at < examples.length; at += STEP) {
      const slice = examples.slice(at, at + STEP);
      const inputs = slice.map(({ text }) => text);
      const truths = slice.map((example) => truthOf(example) as AnswerOutput);
      const scoring = handle.request('scoreExamples', { tier, inputs, truths, options: runOptions }, signal);
      const behind = scoring.catch((thrown) => {
        throw thrown?.index === undefined ? thrown : atInput(thrown, at + thrown.index);
      });
      scored.push(...(await behind));
      reportScores(at + slice.length);
    }
    const source = { data_sha256: await digest(examples), date: new Date().toISOString().slice(0, 10) };
    const args = { tier, examples: scored, labels, promise, source, options: runOptions };
    const calibrated = await handle.request('calibrate', args, signal);
    if (calibrated.calibration !== undefined) handle.recalibrate(tier, calibrated.calibration);
    return calibrated;
  });
}

/** The local model that is meant, of `tiers`. */
export function checkTier(tier: unknown, tiers: number): number {
  if (tier === undefined && tiers > 1) {
    throw invalidInput(`There are ${tiers} local models: say which one is meant, as { tier: 0 }.`);
  }
  const meant = tier === undefined ? 0 : tier;
  if (!Number.isInteger(meant) || (meant as number) < 0 || (meant as number) >= tiers) {
    throw invalidInput(`tier must be from 0 to ${tiers - 1}, got ${String(tier)}.`);
  }
  return meant as number;
}

/** The SHA-256 of the examples as JSON Lines, in hexadecimal; empty in an insecure page, which may not compute it. */
async function digest(examples: LabelledText[]): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) return '';
  const line = ({ text, label, entities, record }: LabelledText): string =>
    `${JSON.stringify({ text, label, entities, record })}\n`;
  const lines = examples.map(line).join('');
  return sha256(new TextEncoder().encode(lines));
}
