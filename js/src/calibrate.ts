import type { Handle } from './handle.js';
import { invalid, splitSignal } from './input.js';
import type { CallOptions } from './pipeline.js';
import type { Calibrated, Example, Guarantee, RunOptions } from './types.js';

/** A text, and the label that is right for it. */
export interface LabelledText {
  text: string;
  label: string;
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
  /** Called after every few texts. */
  progress_callback?: (progress: { done: number; total: number }) => void;
}

/** Texts between two reports of progress, and two moments at which an abort is heard. */
const STEP = 32;

/**
 * Finds the threshold from which on the local model may be trusted. The examples must be like what will come, must not
 * be those that the model was trained on, and their order should mean nothing.
 */
export async function calibrate(handle: Handle, texts: unknown, options: CalibrateOptions | undefined): Promise<Calibrated> {
  const examples = checked(texts);
  const { signal, rest } = splitSignal(options);
  const { method = 'learn-then-test', alpha = 0.05, delta = 0.1, progress_callback, tier: chosen, ...runOptions } = rest;
  if (progress_callback !== undefined && typeof progress_callback !== 'function') throw invalid('progress_callback must be a function.');
  const tier = tierOf(chosen, handle.thresholds.length);
  const promise = (method === 'learn-then-test' ? { method, alpha, delta } : { method, alpha }) as Guarantee;
  return handle.call(signal, async () => {
    const found: Example[] = [];
    for (let at = 0; at < examples.length; at += STEP) {
      const slice = examples.slice(at, at + STEP);
      const inputs = slice.map(({ text }) => text);
      const labels = slice.map(({ label }) => label);
      found.push(...(await handle.request('examine', { tier, inputs, labels, options: runOptions }, signal)));
      progress_callback?.({ done: Math.min(at + STEP, examples.length), total: examples.length });
    }
    const source = { data_sha256: await digest(examples), date: new Date().toISOString().slice(0, 10) };
    const calibrated = await handle.request('calibrate', { tier, examples: found, promise, source }, signal);
    if (calibrated.calibration !== undefined) handle.recalibrate(tier, calibrated.calibration);
    return calibrated;
  });
}

/** The model that is meant, of so many. */
export function tierOf(tier: unknown, tiers: number): number {
  if (tier === undefined && tiers > 1) throw invalid(`There are ${tiers} local models: say which one is meant, as { tier: 0 }.`);
  const meant = tier === undefined ? 0 : tier;
  if (!Number.isInteger(meant) || (meant as number) < 0 || (meant as number) >= tiers) throw invalid(`tier must be from 0 to ${tiers - 1}, not ${String(tier)}.`);
  return meant as number;
}

function checked(texts: unknown): LabelledText[] {
  if (!Array.isArray(texts)) throw invalid('The examples must be an array of { text, label }.');
  const wrong = texts.findIndex((example) => typeof example?.text !== 'string' || typeof example.label !== 'string');
  if (wrong >= 0) throw invalid(`Example ${wrong} must be { text, label }, both strings.`);
  return texts as LabelledText[];
}

/** The SHA-256 of the examples as JSON Lines, in hexadecimal; empty where the page is not secure, which alone may digest. */
async function digest(examples: LabelledText[]): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) return '';
  const lines = examples.map(({ text, label }) => `${JSON.stringify({ text, label })}\n`).join('');
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(lines)));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
