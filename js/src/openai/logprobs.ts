// Log-probabilities in OpenAI's shapes.
import type { TopBytes } from '../protocol/generation.js';
import type { GeneratedToken } from '../types.js';
import type { ChatLogprobs, CompletionLogprobs, TokenLogprob } from './types.js';

/** Those of a chat. A token that ends the text is no part of it. */
export function chatLogprobs(tokens: GeneratedToken[], { top_bytes = {} }: TopBytes): ChatLogprobs {
  const entry = (bytes: number[], logprob: number): TokenLogprob => ({ token: text(bytes), logprob, bytes });
  const content = tokens
    .filter(({ bytes }) => bytes.length > 0)
    .map(({ bytes, logprob, top }) => ({
      ...entry(bytes, logprob),
      top_logprobs: top.map((one) => entry(top_bytes[one.id] ?? [], one.logprob)),
    }));
  return { content, refusal: null };
}

/** Those of a completion, whose text begins at `offset`, in characters. */
export function completionLogprobs(tokens: GeneratedToken[], top: TopBytes, offset: number): CompletionLogprobs {
  const { content } = chatLogprobs(tokens, top);
  const hasTop = content.some(({ top_logprobs }) => top_logprobs.length > 0);
  let end = offset;
  return {
    tokens: content.map(({ token }) => token),
    token_logprobs: content.map(({ logprob }) => logprob),
    top_logprobs: hasTop
      ? content.map(({ top_logprobs }) =>
          Object.fromEntries(top_logprobs.map(({ token, logprob }) => [token, logprob])),
        )
      : null,
    text_offset: content.map(({ token }) => {
      const start = end;
      end += token.length;
      return start;
    }),
  };
}

function text(bytes: number[]): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}
