// information-extraction: the pipeline of a model that generates text under a schema.
import { splitSignal, toTexts } from '../shared/check.js';
import { perInput } from '../tasks/adapter.js';
import {
  type InformationExtractionOptions,
  type InformationExtractionPipeline,
  recordOptions,
} from '../tasks/information-extraction.js';
import type { ExtractedRecord } from '../types.js';
import { Generator } from './generator.js';
import { callable } from './handle.js';
import type { PipelineOptions } from './load-options.js';

/** Loads a model that reads records out of texts. */
export async function informationExtraction(
  model: string,
  options: PipelineOptions,
): Promise<InformationExtractionPipeline> {
  const generator = await Generator.load(model, options);
  const call = async (
    input: unknown,
    given?: InformationExtractionOptions,
  ): Promise<ExtractedRecord | ExtractedRecord[] | undefined> => {
    const { signal, rest } = splitSignal(given);
    const [texts, options] = [toTexts(input), recordOptions(rest)];
    const extract = (text: string, ended: AbortSignal): Promise<ExtractedRecord> =>
      generator.handle.request('extract', { text, options }, ended);
    return perInput(await generator.each(signal, texts, extract), Array.isArray(input));
  };
  return callable(call, generator, 'information-extraction') as unknown as InformationExtractionPipeline;
}
