// summarization: what texts say in short, by their own sentences or in a decoder's words.
import type { Disposable } from '../page/handle.js';
import type { TextStream } from '../page/text-stream.js';
import type { SummarizationOptions as Options, Summary } from '../types.js';
import type { CallOptions, TextTaskAdapter } from './adapter.js';

/** Options of `summarization`. */
export type SummarizationOptions = CallOptions & Partial<Options>;

/** Summarises texts; a summary for each, also for a single one. */
export interface SummarizationPipeline extends Disposable {
  (texts: string | string[], options?: SummarizationOptions): Promise<Summary[]>;
  /**
   * The summary of a text as a stream of its sentences, each once it is complete and found in the text; where none is
   * found, the whole reply is one piece. Only a decoder's; with an embedder all sentences are there at once.
   */
  stream?(text: string, options?: SummarizationOptions): TextStream<Summary>;
}

export const summarization: TextTaskAdapter<'summarization', SummarizationPipeline> = {
  name: 'summarization',
  empty: [],
  shape: (summaries: Summary[]) => summaries,
};
