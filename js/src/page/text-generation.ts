// text-generation: the pipeline of a model that generates text.
import { splitSignal } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import { callListener } from '../shared/listener.js';
import {
  type GenerationInput,
  readInputs,
  type SplitOptions,
  splitOptions,
  type TextGeneration,
  type TextGenerationOptions,
  type TextGenerationPipeline,
  toGeneration,
  toPrompt,
} from '../tasks/text-generation.js';
import type { ChatMessage } from '../types.js';
import { Generator } from './generator.js';
import { callable } from './handle.js';
import type { PipelineOptions } from './load-options.js';
import type { TextStream } from './text-stream.js';

type Result = TextGeneration<string | ChatMessage[]>;

/** Loads a model that generates text. */
export async function textGeneration(model: string, options: PipelineOptions): Promise<TextGenerationPipeline> {
  const generator = await Generator.load(model, options);
  const call = (input: unknown, given?: TextGenerationOptions): Promise<Result[] | Result[][]> =>
    generate(generator, input, given);
  return Object.defineProperties(callable(call, generator, 'text-generation'), {
    stream: { value: (input: unknown, given?: TextGenerationOptions) => stream(generator, input, given) },
    tokens: { value: (input: unknown, given?: TextGenerationOptions) => tokens(generator, input, given) },
  }) as unknown as TextGenerationPipeline;
}

async function generate(
  generator: Generator,
  input: unknown,
  given: TextGenerationOptions | undefined,
): Promise<Result[] | Result[][]> {
  const { signal, rest } = splitSignal(given);
  const options = splitOptions(rest);
  const { inputs, many } = readInputs(input);
  const answer = async (one: GenerationInput, ended: AbortSignal): Promise<Result[]> => [
    await reply(generator, one, options, ended),
  ];
  const results = await generator.each(signal, inputs, answer, many);
  return many ? results : (results[0] as Result[]);
}

/** The reply to one prompt, or to the messages of one conversation. */
async function reply(
  generator: Generator,
  input: GenerationInput,
  options: SplitOptions,
  signal: AbortSignal,
  emit?: (text: string) => void,
): Promise<Result> {
  const { generation, streamer } = options;
  const wantsTokens = streamer?.token_callback_function !== undefined && generation.logprobs === undefined;
  const given = wantsTokens ? { ...generation, logprobs: 0 } : generation;
  const { reply } = await generator.reply(toPrompt(input, options), given, signal, ({ text, tokens }) => {
    if (text !== '') {
      emit?.(text);
      callListener(() => streamer?.callback_function?.(text));
    }
    if (tokens.length === 0) return;
    callListener(() => streamer?.token_callback_function?.(tokens.map(({ id }) => BigInt(id))));
  });
  if (wantsTokens) delete reply.tokens;
  return toGeneration(input, reply, options);
}

function stream(
  generator: Generator,
  input: unknown,
  given: TextGenerationOptions | undefined,
): TextStream<TextGeneration<unknown>> {
  const { signal, rest } = splitSignal(given);
  const options = splitOptions(rest);
  const { inputs, many } = readInputs(input);
  const [one] = inputs;
  if (many || one === undefined) throw invalidInput('A stream is of one reply, got an array of prompts.');
  return generator.stream(signal, (emit, ended) => reply(generator, one, options, ended, emit));
}

async function tokens(
  generator: Generator,
  input: unknown,
  given: TextGenerationOptions | undefined,
): Promise<number[]> {
  const { signal, rest } = splitSignal(given);
  const options = splitOptions(rest);
  const { inputs, many } = readInputs(input);
  const [one] = inputs;
  if (many || one === undefined) throw invalidInput('The tokens are those of one prompt, got an array of prompts.');
  return generator.call(signal, (ended) =>
    generator.handle.request('promptTokens', { prompt: toPrompt(one, options) }, ended),
  );
}
