// text-classification: labels of texts.
import type { Disposable } from '../page/handle.js';
import type { Classification, TextClassificationOptions as Options } from '../types.js';
import { type CallOptions, perInput, type TextTaskAdapter } from './adapter.js';

/** Options of `text-classification`; `top_k` is 1 by default, and null gives all labels. */
export type TextClassificationOptions = CallOptions & Options;

/** Gives texts labels. With the default `top_k` of 1, one for each text. */
export interface TextClassificationPipeline extends Disposable {
  (text: string, options?: TextClassificationOptions): Promise<Classification[]>;
  (texts: string[], options?: CallOptions & { top_k?: 1 }): Promise<Classification[]>;
  (texts: string[], options: TextClassificationOptions): Promise<Classification[][]>;
}

export const textClassification: TextTaskAdapter<'text-classification', TextClassificationPipeline, Options> = {
  name: 'text-classification',
  defaults: { top_k: 1 },
  empty: [],
  // One label for each text needs no list of lists.
  shape: (labels: Classification[][], many, { top_k }: TextClassificationOptions) =>
    top_k === 1 ? labels.flat() : perInput(labels, many),
};
