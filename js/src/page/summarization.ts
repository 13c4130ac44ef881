// summarization with a decoder; with an embedder it is a task of the engine as the others are.

import { baseAddress } from '../shared/base-address.js';
import { splitSignal, toTexts } from '../shared/check.js';
import type { SummarizationOptions, SummarizationPipeline } from '../tasks/summarization.js';
import type { Summary } from '../types.js';
import { env } from './env.js';
import { Generator } from './generator.js';
import { callable } from './handle.js';
import type { PipelineOptions } from './load-options.js';
import { resolveModel } from './resolve.js';

/** Whether `model` is a decoder: a GGUF file, or a folder whose `config.json` names an architecture that generates. */
export async function isDecoder(model: string, { revision, signal }: PipelineOptions): Promise<boolean> {
  if (typeof model === 'string' && model.endsWith('.gguf')) return true;
  const { url } = resolveModel(model, revision, env, baseAddress());
  try {
    const response = await fetch(new URL('config.json', url), signal ? { signal } : {});
    const { architectures } = (await response.json()) as { architectures?: string[] };
    return architectures?.some((name) => /ForCausalLM|ForConditionalGeneration/.test(name)) ?? false;
  } catch {
    // What is wrong with the folder is for the loader to say.
    return false;
  }
}

/** Loads a decoder that summarises. */
export async function abstractiveSummarization(
  model: string,
  options: PipelineOptions,
): Promise<SummarizationPipeline> {
  const generator = await Generator.load(model, options);
  const call = (input: unknown, given?: SummarizationOptions): Promise<Summary[]> => {
    const { signal, rest } = splitSignal(given);
    const summarize = (text: string, ended: AbortSignal): Promise<Summary> =>
      generator.handle.request('summarize', { text, options: rest ?? {} }, ended);
    return generator.each(signal, toTexts(input), summarize);
  };
  return callable(call, generator, 'summarization') as unknown as SummarizationPipeline;
}
