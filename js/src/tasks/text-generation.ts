// text-generation: texts that a decoder continues, and conversations that it answers.
import type { Disposable } from '../page/handle.js';
import type { TextStream } from '../page/text-stream.js';
import { describe } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import type {
  ChatMessage,
  ChatPrompt,
  Dropped,
  GeneratedToken,
  GenerationOptions,
  GenerationPrompt,
  Reply,
} from '../types.js';
import type { CallOptions } from './adapter.js';

/** Receives a reply as it grows, as transformers.js's `TextStreamer` does. */
export interface Streamer {
  /** Is called with each piece of the text. */
  callback_function?: (text: string) => void;
  /** Is called with the ids of the tokens of each piece. */
  token_callback_function?: (tokens: bigint[]) => void;
}

/** Options of `text-generation`. */
export interface TextGenerationOptions
  extends CallOptions,
    Omit<Partial<GenerationOptions>, 'stop' | 'logprobs' | 'json_schema'> {
  /** Texts that end the reply, and are no part of it. */
  stop?: string | string[];
  /**
   * The JSON schema that the reply is valid under, whatever its limit; as JSON where the order of properties with
   * numbers as names counts.
   */
  json_schema?: object | string;
  /**
   * How many of the likeliest tokens are given with each token of `tokens`; `true` for none of them, but the tokens.
   */
  logprobs?: number | boolean | null;
  /**
   * Whether `generated_text` begins with the prompt, as it does by default; a conversation's always has its messages.
   */
  return_full_text?: boolean;
  /** What comes behind the text that is generated; the prompt is what comes before it. */
  suffix?: string;
  /** The tools that a reply to messages may call, in the shape of OpenAI's chat completions. */
  tools?: object[];
  /** The documents that a reply to messages is to be found in. */
  documents?: object[];
  /** Whether the last message is to be continued. */
  continue_final_message?: boolean;
  /** Variables of the model's chat template, such as `{ enable_thinking: false }`. */
  chat_template_kwargs?: Record<string, unknown>;
  /** Receives the reply as it grows. */
  streamer?: Streamer;
}

/** What a model has generated. */
export interface TextGeneration<T = string> {
  /** The text, or the messages with the model's reply behind them. */
  generated_text: T;
  /** Whether it ended by itself or by a stop text (`stop`), or had as many tokens as it may have (`length`). */
  finish_reason: Reply['finish_reason'];
  /** Tokens of the prompt, of those the ones that were known from another call, and tokens of the reply. */
  usage: Reply['usage'];
  /** The geometric mean of the probabilities of its tokens, from 0 to 1. */
  confidence: number;
  /** The tokens, where `logprobs` was given. */
  tokens?: GeneratedToken[];
  /** The JSON pointers of the fields that were cut short, so that the text is complete within its limit. */
  truncated?: string[];
  /** What was left out of the prompt, where `overflow` allows it and it was too long. */
  dropped?: Dropped;
}

/** Generates text: continues prompts, answers messages, fills gaps. */
export interface TextGenerationPipeline extends Disposable {
  (prompt: string, options?: TextGenerationOptions): Promise<TextGeneration[]>;
  (prompts: string[], options?: TextGenerationOptions): Promise<TextGeneration[][]>;
  (messages: ChatMessage[], options?: TextGenerationOptions): Promise<TextGeneration<ChatMessage[]>[]>;
  (conversations: ChatMessage[][], options?: TextGenerationOptions): Promise<TextGeneration<ChatMessage[]>[][]>;
  /** The reply to a prompt or to messages as a stream of its text. */
  stream(prompt: string, options?: TextGenerationOptions): TextStream<TextGeneration>;
  stream(messages: ChatMessage[], options?: TextGenerationOptions): TextStream<TextGeneration<ChatMessage[]>>;
  /** The ids of a prompt's tokens, as the model is given them. */
  tokens(prompt: string | ChatMessage[], options?: TextGenerationOptions): Promise<number[]>;
  /** Ends the replies that are being generated, which are rejected as aborted, and frees the model. */
  dispose(): Promise<void>;
}

/** A prompt or messages. */
export type GenerationInput = string | ChatMessage[];

/** The prompts in `input`, and whether it is an array of them. */
export function readInputs(input: unknown): { inputs: GenerationInput[]; many: boolean } {
  if (typeof input === 'string' || isMessages(input)) return { inputs: [input], many: false };
  if (Array.isArray(input) && (input.every((one) => typeof one === 'string') || input.every(isMessages)))
    return { inputs: Array.from<GenerationInput>(input), many: true };
  throw invalidInput(
    `The input must be a string, an array of messages { role, content }, or an array of either, got ${describe(input)}.`,
  );
}

function isMessages(input: unknown): input is ChatMessage[] {
  const isMessage = (one: unknown): boolean => typeof (one as Partial<ChatMessage> | null)?.role === 'string';
  return Array.isArray(input) && input.length > 0 && input.every(isMessage);
}

/** A call's options, split: for the engine, for the prompt, and for the result. */
export interface SplitOptions {
  generation: Partial<GenerationOptions>;
  chat: Omit<ChatPrompt, 'messages'>;
  suffix: string | undefined;
  full: boolean;
  streamer: Streamer | undefined;
}

/** Splits the options of a call. What is left is the engine's, which refuses unknown ones. */
export function splitOptions(options: Omit<TextGenerationOptions, 'signal'>): SplitOptions {
  const {
    stop,
    logprobs,
    json_schema: schema,
    return_full_text: full = true,
    suffix,
    tools,
    documents,
    continue_final_message,
    chat_template_kwargs: variables,
    streamer,
    ...generation
  } = options;
  return {
    generation: {
      // As everywhere else, each call draws other tokens unless it names a seed.
      ...(generation.do_sample && { seed: randomSeed() }),
      ...generation,
      ...(stop !== undefined && { stop: [stop].flat() }),
      ...(schema !== undefined && { json_schema: typeof schema === 'string' ? schema : JSON.stringify(schema) }),
      ...((logprobs ?? false) !== false && { logprobs: logprobs === true ? 0 : (logprobs as number) }),
    },
    chat: {
      ...(tools && { tools }),
      ...(documents && { documents }),
      ...(continue_final_message !== undefined && { continue_final_message }),
      ...(variables && { variables }),
    },
    suffix,
    full,
    streamer,
  };
}

/** Where random numbers begin that nobody needs again. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** The prompt that the engine is given. */
export function toPrompt(
  input: GenerationInput,
  { chat, suffix }: Pick<SplitOptions, 'chat' | 'suffix'>,
): GenerationPrompt {
  if (typeof input !== 'string') {
    if (suffix !== undefined) throw invalidInput('A suffix needs a prompt, which is what comes before the gap.');
    return { chat: { messages: input, ...chat } };
  }
  const [unused] = Object.keys(chat);
  if (unused !== undefined) throw invalidInput(`The option '${unused}' needs messages, got a prompt.`);
  return suffix === undefined ? { text: input } : { infill: { prefix: input, suffix } };
}

/** What a call gives for `input`. */
export function toGeneration(
  input: GenerationInput,
  { text, finish_reason, usage, confidence, tokens, truncated, dropped }: Reply,
  { full, suffix, chat }: Pick<SplitOptions, 'full' | 'suffix' | 'chat'>,
): TextGeneration<string | ChatMessage[]> {
  const generated_text =
    typeof input === 'string'
      ? `${full && suffix === undefined ? input : ''}${text}`
      : withReply(input, text, chat.continue_final_message === true);
  const optional = { ...(tokens && { tokens }), ...(truncated && { truncated }), ...(dropped && { dropped }) };
  return { generated_text, finish_reason, usage, confidence, ...optional };
}

/** `messages` with the reply behind them, or at the end of the last one. */
function withReply(messages: ChatMessage[], text: string, continues: boolean): ChatMessage[] {
  const last = messages.at(-1);
  if (!continues || last === undefined) return [...messages, { role: 'assistant', content: text }];
  return [...messages.slice(0, -1), { ...last, content: contentOf(last) + text }];
}

function contentOf({ content }: ChatMessage): string {
  return typeof content === 'string' ? content : (content ?? []).map((part) => part.text).join('');
}
