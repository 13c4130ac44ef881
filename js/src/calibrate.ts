import { sha256 } from './digest.js';
import type { Handle } from './handle.js';
import { invalid, splitSignal } from './input.js';
import { checked, type LabelledText, label, truthOf } from './labels.js';
import type { CallOptions } from './pipeline.js';
import type { AnswerOutput, Calibrated, Envelope, Example, Guarantee, RunOptions } from './types.js';

/** How far a calibration is. */
export interface CalibrateProgress {
  /** Whether general models are being asked for labels, or the local model is being tried on the texts. */
  step: 'labels' | 'scores';
  done: number;
  total: number;
}

/** What a calibration is to promise, and how it is watched. */
export interface CalibrateOptions extends CallOptions, RunOptions {
  /**
   * `'learn-then-test'`, the default: at most `alpha` of the local answers are wrong, with a certainty of 1 - `delta`.
   * `'conformal-risk-control'`: at most `alpha` of all answers are local and wrong, on average.
   */
  method?: 'learn-then-test' | 'conformal-risk-control';
  /** The part that may be wrong; 0.05 by default. */
  alpha?: number;
  /** The chance that the promise does not hold; 0.1 by default. */
  delta?: number;
  /**
   * Which of several local models is calibrated, from 0; with one there is nothing to choose. One behind others sees what
   * they are not sure of, so only such examples count for it: calibrate the first first, and bring more for the next.
   */
  tier?: number;
  /**
   * What general models said of texts without a label is appended to it as it comes. Keep it, also where the calibration
   * failed or was aborted, and hand it in again: what is in it is not asked for a second time.
   */
  labelled?: LabelledText[];
  /** Called after every few texts. */
  progress_callback?: (progress: CalibrateProgress) => void;
}

/** Asks general models about texts as such; the local one is not asked. */
export type Consult = (texts: string[], options: RunOptions, signal: AbortSignal | undefined) => Promise<Envelope[]>;

/** Texts between two reports of progress, and two moments at which an abort is heard. */
const STEP = 32;

/**
 * Finds the threshold from which on the local model may be trusted. The examples must be like what will come, must not
 * be those that the model was trained on, and their order should mean nothing. Those without a label are put to the
 * general models, by `consult`.
 */
export async function calibrate(
  handle: Handle,
  texts: unknown,
  options: CalibrateOptions | undefined,
  consult: Consult,
): Promise<Calibrated> {
  const given = checked(texts);
  const { signal, rest } = splitSignal(options);
  const {
    method = 'learn-then-test',
    alpha = 0.05,
    delta = 0.1,
    labelled = [],
    progress_callback,
    tier: chosen,
    ...runOptions
  } = rest;
  checked(labelled, 'Labelled text');
  if (progress_callback !== undefined && typeof progress_callback !== 'function')
    throw invalid('progress_callback must be a function.');
  const tier = tierOf(chosen, handle.thresholds.length);
  const promise = (method === 'learn-then-test' ? { method, alpha, delta } : { method, alpha }) as Guarantee;
  return handle.call(signal, async () => {
    const tell = (step: CalibrateProgress['step'], total: number) => (done: number) =>
      progress_callback?.({ step, done, total });
    const { examples, labels } = await label(
      given,
      labelled,
      (lot) => consult(lot, runOptions, signal),
      tell('labels', given.length),
    );
    const found: Example[] = [];
    for (let at = 0; at < examples.length; at += STEP) {
      const slice = examples.slice(at, at + STEP);
      const inputs = slice.map(({ text }) => text);
      const truths = slice.map((example) => truthOf(example) as AnswerOutput);
      found.push(...(await handle.request('examine', { tier, inputs, truths, options: runOptions }, signal)));
      tell('scores', examples.length)(Math.min(at + STEP, examples.length));
    }
    const source = { data_sha256: await digest(examples), date: new Date().toISOString().slice(0, 10) };
    const calibrated = await handle.request(
      'calibrate',
      { tier, examples: found, labels, promise, source, options: runOptions },
      signal,
    );
    if (calibrated.calibration !== undefined) handle.recalibrate(tier, calibrated.calibration);
    return calibrated;
  });
}

/** The model that is meant, of so many. */
export function tierOf(tier: unknown, tiers: number): number {
  if (tier === undefined && tiers > 1)
    throw invalid(`There are ${tiers} local models: say which one is meant, as { tier: 0 }.`);
  const meant = tier === undefined ? 0 : tier;
  if (!Number.isInteger(meant) || (meant as number) < 0 || (meant as number) >= tiers)
    throw invalid(`tier must be from 0 to ${tiers - 1}, not ${String(tier)}.`);
  return meant as number;
}

/** The SHA-256 of the examples as JSON Lines, in hexadecimal; empty where the page is not secure, which alone may digest. */
async function digest(examples: LabelledText[]): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) return '';
  const lines = examples.map(({ text, label, entities }) => `${JSON.stringify({ text, label, entities })}\n`).join('');
  return sha256(new TextEncoder().encode(lines));
}
