// Requests and replies in OpenAI's shape.
import type { ChatMessage, Dropped, Overflow, ToolCall } from '../types.js';

/** What chats and completions have in common. */
export interface SamplingParams {
  /** The most tokens of the reply. */
  max_tokens?: number | null;
  /** 1 by default; 0 takes the likeliest token. */
  temperature?: number | null;
  top_p?: number | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  /** Where random numbers begin; drawn by default. */
  seed?: number | null;
  stop?: string | string[] | null;
  /** Replies to the prompt. */
  n?: number | null;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
  /** As servers for open models have them. */
  top_k?: number;
  min_p?: number;
  repetition_penalty?: number;
  /**
   * What becomes of a prompt that leaves no room for its reply; 'error' by default. The choices say what was left out.
   */
  overflow?: Overflow;
  /** Ignored: there is one model, one user and no storage. */
  model?: string;
  user?: string;
  store?: boolean | null;
  metadata?: object | null;
}

/** What a chat completion is asked with. */
export interface ChatCompletionParams extends SamplingParams {
  messages: ChatMessage[];
  /** In place of `max_tokens`. */
  max_completion_tokens?: number | null;
  logprobs?: boolean | null;
  /** How many of the likeliest tokens are given with each token; needs `logprobs`. */
  top_logprobs?: number | null;
  tools?: object[];
  /** Whether the reply may call tools; that it must is not supported. */
  tool_choice?: 'auto' | 'none';
  response_format?: { type: string; json_schema?: object };
  /** Variables of the model's chat template, as servers for open models have them. */
  chat_template_kwargs?: Record<string, unknown>;
  documents?: object[];
}

/** What a completion is asked with. */
export interface CompletionParams extends SamplingParams {
  prompt: string | string[];
  /** What comes behind the text. */
  suffix?: string | null;
  /** How many of the likeliest tokens are given with each token. */
  logprobs?: number | null;
  /** Whether the text begins with the prompt. */
  echo?: boolean | null;
}

/** Tokens of a request. */
export interface CompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

/** Why a reply ended. */
export type CompletionFinishReason = 'stop' | 'length' | 'tool_calls';

/** A token with its log-probability. */
export interface TokenLogprob {
  token: string;
  logprob: number;
  bytes: number[];
}

/** The tokens of a chat's reply. */
export interface ChatLogprobs {
  content: (TokenLogprob & { top_logprobs: TokenLogprob[] })[];
  refusal: null;
}

/** The tokens of a completion. */
export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[] | null;
  text_offset: number[];
}

/** A reply to messages. */
export interface ChatCompletion {
  id: string;
  object: 'chat.completion';
  created: number;
  model: string;
  choices: {
    index: number;
    message: { role: 'assistant'; content: string | null; refusal: null; tool_calls?: ToolCall[] };
    logprobs: ChatLogprobs | null;
    finish_reason: CompletionFinishReason;
    /** What was left out of the prompt, where `overflow` allows it and it was too long. */
    dropped?: Dropped;
  }[];
  usage: CompletionUsage;
}

/** What a piece of a reply to messages adds. */
export interface ChatCompletionDelta {
  role?: 'assistant';
  content?: string | null;
  tool_calls?: (ToolCall & { index: number })[];
}

/** A piece of a reply to messages. */
export interface ChatCompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: {
    index: number;
    delta: ChatCompletionDelta;
    logprobs: ChatLogprobs | null;
    finish_reason: CompletionFinishReason | null;
    /** What was left out of the prompt, where `overflow` allows it and it was too long. */
    dropped?: Dropped;
  }[];
  usage?: CompletionUsage | null;
}

/** A completion, or a piece of one. */
export interface Completion {
  id: string;
  object: 'text_completion';
  created: number;
  model: string;
  choices: {
    index: number;
    text: string;
    logprobs: CompletionLogprobs | null;
    finish_reason: CompletionFinishReason | null;
    /** What was left out of the prompt, where `overflow` allows it and it was too long. */
    dropped?: Dropped;
  }[];
  usage?: CompletionUsage | null;
}

/** Pieces of a reply as they are generated, as in OpenAI's clients. */
export interface Stream<T> extends AsyncIterable<T> {
  /** Aborts the reply. */
  controller: AbortController;
}

/** What is given besides the request. */
export interface RequestOptions {
  /** Aborts the request. */
  signal?: AbortSignal;
}
