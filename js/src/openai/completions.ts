// Completions: texts that are continued, in OpenAI's older shape, with a suffix for code.
import type { Generator } from '../page/generator.js';
import { toTexts } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import type { GenerationPrompt } from '../types.js';
import { randomId } from './chat.js';
import { completionLogprobs } from './logprobs.js';
import { completionOptions, countOf, UsageSum } from './params.js';
import { chunkStream } from './stream.js';
import type {
  Completion,
  CompletionFinishReason,
  CompletionParams,
  CompletionUsage,
  RequestOptions,
  Stream,
} from './types.js';

/** What a part of a completion may add. */
type Choice = Completion['choices'][number];

/** What continues `params.prompt`, or each of several prompts; or the pieces of it. */
export async function createCompletion(
  generator: Generator,
  model: string,
  params: CompletionParams,
  { signal }: RequestOptions,
): Promise<Completion | Stream<Completion>> {
  const optionsOf = completionOptions(params);
  const prompts = toTexts(params.prompt);
  if (prompts.length === 0) throw invalidInput('The prompt must be a string or several, got an empty array.');
  const count = countOf(params);
  const head = { id: `cmpl-${randomId()}`, created: Math.floor(Date.now() / 1000), model };
  const part = (choices: Choice[], usage?: CompletionUsage | null): Completion => {
    return { ...head, object: 'text_completion', choices, ...(usage !== undefined && { usage }) };
  };

  const all = (take: (choice: Choice) => void, ended: AbortSignal): Promise<CompletionUsage> =>
    generator.call(ended, async (ended) => {
      const usage = new UsageSum();
      for (let index = 0; index < prompts.length * count; index += 1) {
        const text = prompts[Math.floor(index / count)] as string;
        let offset = text.length;
        if (params.echo) take({ index, text, logprobs: null, finish_reason: null });
        const { reply } = await generator.reply(toPrompt(text, params), optionsOf(index % count), ended, (piece) => {
          const logprobs = piece.tokens.length > 0 ? completionLogprobs(piece.tokens, piece, offset) : null;
          offset += piece.text.length;
          take({ index, text: piece.text, logprobs, finish_reason: null });
        });
        usage.add(reply.usage, index % count === 0);
        const finish_reason = reply.finish_reason as CompletionFinishReason;
        const { dropped } = reply;
        take({ index, text: '', logprobs: null, finish_reason, ...(dropped && { dropped }) });
      }
      return usage.value;
    });

  if (params.stream) {
    const wantsUsage = params.stream_options?.include_usage === true;
    return chunkStream(signal, async (emit, ended) => {
      const usage = await all((choice) => emit(part([choice], wantsUsage ? null : undefined)), ended);
      if (wantsUsage) emit(part([], usage));
    });
  }
  const choices: Choice[] = [];
  const usage = await all((choice) => {
    choices[choice.index] = joined(choices[choice.index], choice);
  }, signal ?? new AbortController().signal);
  return part(choices, usage);
}

function toPrompt(prefix: string, { suffix }: CompletionParams): GenerationPrompt {
  return (suffix ?? undefined) === undefined ? { text: prefix } : { infill: { prefix, suffix: suffix as string } };
}

/** A choice and what comes behind it. */
function joined(before: Choice | undefined, { index, text, logprobs, finish_reason, dropped }: Choice): Choice {
  const rest = { finish_reason, ...(dropped && { dropped }) };
  if (before === undefined) return { index, text, logprobs, ...rest };
  const [a, b] = [before.logprobs, logprobs];
  const both = a &&
    b && {
      tokens: [...a.tokens, ...b.tokens],
      token_logprobs: [...a.token_logprobs, ...b.token_logprobs],
      top_logprobs: a.top_logprobs && b.top_logprobs && [...a.top_logprobs, ...b.top_logprobs],
      text_offset: [...a.text_offset, ...b.text_offset],
    };
  return { index, text: before.text + text, logprobs: both ?? a ?? b, ...rest };
}
