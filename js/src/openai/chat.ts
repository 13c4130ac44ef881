// Chat completions: replies to messages in OpenAI's shape.
import type { Generator } from '../page/generator.js';
import type { Generated, TopBytes } from '../protocol/generation.js';
import type { ChatPrompt, GeneratedToken, ToolCall } from '../types.js';
import { chatLogprobs } from './logprobs.js';
import { chatOptions, countOf, UsageSum } from './params.js';
import { chunkStream } from './stream.js';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionDelta,
  ChatCompletionParams,
  CompletionFinishReason,
  RequestOptions,
  Stream,
} from './types.js';

/** A request that was read: its head, and how each of its replies is generated. */
interface Request {
  params: ChatCompletionParams;
  head: { id: string; created: number; model: string };
  prompt: { chat: ChatPrompt };
  count: number;
  optionsOf: ReturnType<typeof chatOptions>;
}

type ChunkChoice = ChatCompletionChunk['choices'][number];

/** What a reply says. */
interface Said {
  content: string | null;
  calls: ToolCall[];
  finish_reason: CompletionFinishReason;
}

/** A reply to `params.messages`, or several; or their pieces. */
export async function createChatCompletion(
  generator: Generator,
  model: string,
  params: ChatCompletionParams,
  { signal }: RequestOptions,
): Promise<ChatCompletion | Stream<ChatCompletionChunk>> {
  const request = read(model, params);
  if (!params.stream) return whole(generator, request, signal);
  return chunkStream(signal, (emit, ended) => pieces(generator, request, emit, ended));
}

function read(model: string, params: ChatCompletionParams): Request {
  const optionsOf = chatOptions(params);
  const { messages, tools, tool_choice, chat_template_kwargs: variables, documents } = params;
  const chat = {
    messages,
    ...(tools && tool_choice !== 'none' && { tools }),
    ...(documents && { documents }),
    ...(variables && { variables }),
  };
  const head = { id: `chatcmpl-${randomId()}`, created: Math.floor(Date.now() / 1000), model };
  return { params, head, prompt: { chat }, count: countOf(params), optionsOf };
}

async function whole(
  generator: Generator,
  { params, head, prompt, count, optionsOf }: Request,
  signal: AbortSignal | undefined,
): Promise<ChatCompletion> {
  return generator.call(signal, async (ended) => {
    const usage = new UsageSum();
    const choices: ChatCompletion['choices'] = [];
    for (let index = 0; index < count; index += 1) {
      const generated = await generator.reply(prompt, optionsOf(index), ended);
      usage.add(generated.reply.usage, index === 0);
      const { content, calls, finish_reason } = said(generated);
      const tool_calls = calls.length > 0 ? { tool_calls: calls } : {};
      choices.push({
        index,
        message: { role: 'assistant', content, refusal: null, ...tool_calls },
        logprobs: params.logprobs ? chatLogprobs(generated.reply.tokens ?? [], generated) : null,
        finish_reason,
        ...dropped(generated),
      });
    }
    return { ...head, object: 'chat.completion', choices, usage: usage.value };
  });
}

async function pieces(
  generator: Generator,
  request: Request,
  emit: (chunk: ChatCompletionChunk) => void,
  signal: AbortSignal,
): Promise<void> {
  const { params, head, count } = request;
  const wantsUsage = params.stream_options?.include_usage === true;
  const usage = new UsageSum();
  const emitChoice = (index: number, delta: ChatCompletionDelta, rest: Partial<ChunkChoice>): void => {
    const choices = [{ index, delta, logprobs: null, finish_reason: null, ...rest }];
    emit({ ...head, object: 'chat.completion.chunk', choices, ...(wantsUsage && { usage: null }) });
  };
  await generator.call(signal, async (ended) => {
    for (let index = 0; index < count; index += 1) {
      const chunk = (delta: ChatCompletionDelta, rest: Partial<ChunkChoice> = {}): void =>
        emitChoice(index, delta, rest);
      const { reply } = await replyInPieces(generator, request, index, chunk, ended);
      usage.add(reply.usage, index === 0);
    }
  });
  if (wantsUsage) emit({ ...head, object: 'chat.completion.chunk', choices: [], usage: usage.value });
}

/** One reply, whose pieces are given to `chunk`. */
async function replyInPieces(
  generator: Generator,
  { params, prompt, optionsOf }: Request,
  index: number,
  chunk: (delta: ChatCompletionDelta, rest?: Partial<ChunkChoice>) => void,
  signal: AbortSignal,
): Promise<Generated> {
  const logprobsOf = (tokens: GeneratedToken[], top: TopBytes): Partial<ChunkChoice> =>
    params.logprobs ? { logprobs: chatLogprobs(tokens, top) } : {};
  // With tools, what a reply says is known once it is whole: its beginning may be the beginning of a call.
  const held = (prompt.chat.tools ?? []).length > 0;
  chunk({ role: 'assistant', content: '' });
  const generated = await generator.reply(prompt, optionsOf(index), signal, (piece) => {
    if (!held) chunk({ content: piece.text }, logprobsOf(piece.tokens, piece));
  });
  const { content, calls, finish_reason } = said(generated);
  if (held && content !== null) chunk({ content }, logprobsOf(generated.reply.tokens ?? [], generated));
  for (const [at, call] of calls.entries()) chunk({ tool_calls: [{ index: at, ...call }] });
  chunk({}, { finish_reason, ...dropped(generated) });
  return generated;
}

/** What was left out of the prompt, where anything was. */
function dropped({ reply }: Generated): Pick<ChunkChoice, 'dropped'> {
  return reply.dropped ? { dropped: reply.dropped } : {};
}

function said({ reply, parsed }: Generated): Said {
  const { content, tool_calls: calls } = parsed ?? { content: reply.text, tool_calls: [] };
  const cut = reply.finish_reason === 'length';
  return { content, calls, finish_reason: cut ? 'length' : calls.length > 0 ? 'tool_calls' : 'stop' };
}

/** An id that no other reply has. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
