// information-extraction: the pipeline of a model that generates text under a schema.
import { splitSignal, toTexts } from '../shared/check.js';
import { atInput } from '../shared/errors.js';
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
  const { handle } = generator;
  const facts = {
    get device() {
      return handle.device;
    },
    get info() {
      return handle.info;
    },
    dispose: () => generator.dispose(),
  };
  const call = (
    input: unknown,
    given?: InformationExtractionOptions,
  ): Promise<ExtractedRecord | ExtractedRecord[] | undefined> => {
    const { signal, rest } = splitSignal(given);
    const [texts, options] = [toTexts(input), recordOptions(rest)];
    return generator.call(signal, async (ended) => {
      const records: ExtractedRecord[] = [];
      for (const [index, text] of texts.entries()) {
        try {
          records.push(await handle.request('extract', { text, options }, ended));
        } catch (thrown) {
          throw texts.length > 1 ? atInput(thrown, index) : thrown;
        }
      }
      return perInput(records, Array.isArray(input));
    });
  };
  return callable(call, facts, 'information-extraction') as unknown as InformationExtractionPipeline;
}
