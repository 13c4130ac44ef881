// Requests in OpenAI's shape as options of a generation.
import { refuseUnknown } from '../shared/check.js';
import { invalidInput, PilotLightError } from '../shared/errors.js';
import { complete } from '../shared/lists.js';
import { randomSeed } from '../tasks/text-generation.js';
import type { GenerationOptions } from '../types.js';
import type { ChatCompletionParams, CompletionParams, CompletionUsage, SamplingParams } from './types.js';

/** No limit but the model's context. */
const UNLIMITED = 2 ** 31 - 1;
/** What OpenAI generates of a completion by default. */
const COMPLETION_TOKENS = 16;

const SAMPLING = [
  'max_tokens',
  'temperature',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
  'seed',
  'stop',
  'n',
  'stream',
  'stream_options',
  'top_k',
  'min_p',
  'repetition_penalty',
  'overflow',
  'model',
  'user',
  'store',
  'metadata',
] as const satisfies (keyof SamplingParams)[];

const CHAT = complete<keyof ChatCompletionParams>()([
  ...SAMPLING,
  'messages',
  'max_completion_tokens',
  'logprobs',
  'top_logprobs',
  'tools',
  'tool_choice',
  'response_format',
  'chat_template_kwargs',
  'documents',
]);

const COMPLETION = complete<keyof CompletionParams>()([...SAMPLING, 'prompt', 'suffix', 'logprobs', 'echo']);

/** The options for one reply of several. */
export type OptionsOf = (reply: number) => Partial<GenerationOptions>;

/** The options of a chat completion. */
export function chatOptions(params: ChatCompletionParams): OptionsOf {
  refuseUnknown('', params, CHAT);
  const { response_format: format, tool_choice: choice = 'auto', logprobs, top_logprobs } = params;
  if (choice !== 'auto' && choice !== 'none') {
    throw new PilotLightError('unsupported', "This tool_choice is not supported; expected 'auto' or 'none'.");
  }
  if ((top_logprobs ?? undefined) !== undefined && !logprobs) throw invalidInput('top_logprobs needs logprobs: true.');
  const most = params.max_completion_tokens ?? params.max_tokens ?? UNLIMITED;
  const options = samplingOptions(params, most, logprobs ? (top_logprobs ?? 0) : undefined);
  const json_schema = schemaOf(format);
  return json_schema === undefined ? options : (reply) => ({ ...options(reply), json_schema });
}

/** The JSON schema that a `response_format` asks for, as JSON. */
function schemaOf(format: ChatCompletionParams['response_format']): string | undefined {
  switch (format?.type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      return '{"type":"object"}';
    case 'json_schema': {
      const { schema } = (format.json_schema ?? {}) as { schema?: object };
      if (schema === undefined) throw invalidInput('response_format.json_schema needs a schema.');
      return JSON.stringify(schema);
    }
    default:
      throw invalidInput(`response_format '${format?.type}' is unknown; expected text, json_object or json_schema.`);
  }
}

/** The options of a completion. */
export function completionOptions(params: CompletionParams): OptionsOf {
  refuseUnknown('', params, COMPLETION);
  return samplingOptions(params, params.max_tokens ?? COMPLETION_TOKENS, params.logprobs ?? undefined);
}

function samplingOptions(params: SamplingParams, most: number, logprobs: number | undefined): OptionsOf {
  const { temperature, top_p, presence_penalty, frequency_penalty, stop, top_k, min_p, repetition_penalty } = params;
  const { overflow } = params;
  const seed = params.seed ?? randomSeed();
  const given = { top_p, presence_penalty, frequency_penalty, top_k, min_p, repetition_penalty, overflow };
  const options = {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => (value ?? undefined) !== undefined)),
    max_new_tokens: most,
    do_sample: true,
    temperature: temperature ?? 1,
    stop: [stop ?? []].flat(),
    ...(logprobs !== undefined && { logprobs }),
  };
  return (reply) => ({ ...options, seed: seed + reply });
}

/** The number of replies that are asked for. */
export function countOf({ n }: SamplingParams): number {
  const count = n ?? 1;
  if (!Number.isInteger(count) || count < 1 || count > 128)
    throw invalidInput(`n must be from 1 to 128, got ${count}.`);
  return count;
}

/** The tokens of all replies, of which those to one prompt read it once. */
export class UsageSum {
  readonly #usage = {
    prompt_tokens: 0,
    completion_tokens: 0,
    total_tokens: 0,
    prompt_tokens_details: { cached_tokens: 0 },
  };

  /** Adds a reply; `first` says whether it is the first one to its prompt. */
  add({ prompt_tokens, cached_tokens, completion_tokens }: ReplyUsage, first: boolean): void {
    const usage = this.#usage;
    if (first) {
      usage.prompt_tokens += prompt_tokens;
      usage.prompt_tokens_details.cached_tokens += cached_tokens;
    }
    usage.completion_tokens += completion_tokens;
    usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
  }

  get value(): CompletionUsage {
    return structuredClone(this.#usage);
  }
}

type ReplyUsage = Record<'prompt_tokens' | 'cached_tokens' | 'completion_tokens', number>;
