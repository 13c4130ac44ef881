// zero-shot-classification: labels that the model was not trained on.
import type { Disposable } from '../page/handle.js';
import { describe } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import type { ZeroShotClassificationOptions as Options, ZeroShot } from '../types.js';
import { type CallOptions, perInput, type TextTaskAdapter } from './adapter.js';

/** Options of `zero-shot-classification`. */
export type ZeroShotOptions = CallOptions & Omit<Options, 'candidate_labels'>;

/** Gives texts labels that the model was not trained on. */
export interface ZeroShotClassificationPipeline extends Disposable {
  (text: string, candidate_labels: string | string[], options?: ZeroShotOptions): Promise<ZeroShot>;
  (texts: string[], candidate_labels: string | string[], options?: ZeroShotOptions): Promise<ZeroShot[]>;
}

export const zeroShotClassification: TextTaskAdapter<
  'zero-shot-classification',
  ZeroShotClassificationPipeline,
  Options
> = {
  name: 'zero-shot-classification',
  /** The options may come after the labels, or hold them. */
  options: (first, second) => {
    if (!(typeof first === 'string' || Array.isArray(first))) return first as object | undefined;
    const candidate_labels: unknown[] = [first].flat();
    const wrong = candidate_labels.find((label) => typeof label !== 'string');
    if (wrong !== undefined) throw invalidInput(`The candidate labels must be strings, got ${describe(wrong)}.`);
    return { ...(second as object | undefined), candidate_labels };
  },
  empty: [],
  shape: perInput,
};
