// summarization with a decoder; with an embedder it is a task of the engine as the others are.

import { baseAddress } from '../shared/base-address.js';
import { describe, splitSignal, toTexts } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import type { SummarizationOptions, SummarizationPipeline } from '../tasks/summarization.js';
import type { Summary } from '../types.js';
import { env } from './env.js';
import { Generator } from './generator.js';
import { callable } from './handle.js';
import type { PipelineOptions } from './load-options.js';
import { resolveModel } from './resolve.js';
import type { TextStream } from './text-stream.js';

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
    return generator.each(signal, toTexts(input), (text, ended) => summarize(generator, text, rest, ended));
  };
  const stream = (input: unknown, given?: SummarizationOptions): TextStream<Summary> => {
    const { signal, rest } = splitSignal(given);
    const [text] = toTexts(input);
    if (typeof input !== 'string' || text === undefined)
      throw invalidInput(`A stream is of one summary: expected a text, got ${describe(input)}.`);
    return generator.stream(signal, (emit, ended) => summarize(generator, text, rest, ended, emit));
  };
  const pipeline = callable(call, generator, 'summarization');
  return Object.defineProperties(pipeline, { stream: { value: stream } }) as unknown as SummarizationPipeline;
}

/** The summary of one text. */
function summarize(
  generator: Generator,
  text: string,
  options: Omit<SummarizationOptions, 'signal'> | undefined,
  signal: AbortSignal,
  emit?: (text: string) => void,
): Promise<Summary> {
  return generator.handle.request('summarize', { text, options: options ?? {} }, signal, (piece) => emit?.(piece.text));
}
