// Requests about models that generate text: replies that grow step by step, between which other requests are answered.
import type { TopBytes } from '../protocol/generation.js';
import { breathe, throwIfAborted } from '../shared/abort.js';
import { isTrap } from '../shared/errors.js';
import type { AbstractiveSummary, Extraction, GeneratedToken, Generation, Generator } from '../types.js';
import { trapped } from './builds.js';
import { renderChatTemplate } from './chat-template.js';
import type { Engine, Handlers } from './engine.js';

/** The handlers of `engine` for models that generate text. */
export function generatorHandlers(
  engine: Engine,
): Pick<Handlers, 'extract' | 'generate' | 'promptTokens' | 'summarize'> {
  const generatorOf = (key: number): Generator => engine.model(key, 'generator').generator;

  return {
    promptTokens: ({ key, prompt }) =>
      engine.exclusive(() => trapped(async () => Array.from(generatorOf(key).tokens(prompt, render)))),

    summarize: async ({ key, text, options }, { signal }) => {
      const start = (): AbstractiveSummary => generatorOf(key).summarize(text, options, render);
      return inSteps(engine, signal, start, (summary) => summary.step(render));
    },

    extract: async ({ key, text, options }, { signal }) => {
      const start = (): Extraction => generatorOf(key).extract(text, options, render);
      return inSteps(engine, signal, start, (extraction) => extraction.step(goingOn(signal)));
    },

    generate: async ({ key, prompt, options }, { signal, onPiece }) => {
      const { generator, generation } = await engine.exclusive(() =>
        trapped(async () => {
          throwIfAborted(signal);
          const generator = generatorOf(key);
          return { generator, generation: generator.start(prompt, options, render) };
        }),
      );
      const withLogprobs = (options.logprobs ?? null) !== null;
      const goOn = goingOn(signal);
      try {
        while (!generation.complete) {
          // Each step waits for its turn, so that the calls of other models come between.
          const piece = await engine.exclusive(async () => {
            throwIfAborted(signal);
            const piece = await engine.checked(() => generation.step(goOn));
            if (piece === undefined) return undefined;
            const { text, tokens } = piece;
            if (!withLogprobs) return { text, tokens: [] };
            return { text, tokens, ...topBytes(generator, tokens) };
          });
          if (piece !== undefined && (piece.text !== '' || piece.tokens.length > 0)) onPiece?.(piece);
          await breathe();
        }
        return await engine.exclusive(() =>
          trapped(async () => {
            const reply = generation.finish();
            const hasTools = 'chat' in prompt && (prompt.chat.tools ?? []).length > 0;
            const top = withLogprobs ? topBytes(generator, reply.tokens ?? []) : {};
            return { reply, ...top, ...(hasTools && { parsed: engine.wasm.parseToolCalls(reply.text) }) };
          }),
        );
      } catch (thrown) {
        // What was read of the prompt is kept for the next call.
        if (!isTrap(thrown) && engine.dead === undefined) end(generation);
        throw thrown;
      }
    },
  };
}

/** Work that is done in steps. */
interface InSteps<T> {
  readonly complete: boolean;
  finish(): T;
  free(): void;
}

/** Does what `start` begins, step by step; calls of other models come between. */
async function inSteps<T, W extends InSteps<T>>(
  engine: Engine,
  signal: AbortSignal | undefined,
  start: () => W & InSteps<T>,
  step: (work: W) => Promise<void>,
): Promise<T> {
  const work = await engine.exclusive(() =>
    trapped(async () => {
      throwIfAborted(signal);
      return start();
    }),
  );
  try {
    while (!work.complete) {
      await engine.exclusive(async () => {
        throwIfAborted(signal);
        await engine.checked(() => step(work));
      });
      await breathe();
    }
  } catch (thrown) {
    if (!isTrap(thrown) && engine.dead === undefined) work.free();
    throw thrown;
  }
  return engine.exclusive(() => trapped(async () => work.finish()));
}

/** What a step is told when it asks whether to go on; meanwhile the thread hears of an abort. */
function goingOn(signal: AbortSignal | undefined): () => Promise<boolean> {
  return async () => {
    await breathe();
    return signal?.aborted !== true;
  };
}

/** The model's chat template with its variables. */
function render(template: string, variables: string): string {
  return renderChatTemplate(template, JSON.parse(variables) as Record<string, unknown>);
}

/** The bytes of the likeliest tokens at each place. */
function topBytes(generator: Generator, tokens: GeneratedToken[]): TopBytes {
  const ids = new Set(tokens.flatMap(({ top }) => top.map(({ id }) => id)));
  if (ids.size === 0) return {};
  return { top_bytes: Object.fromEntries([...ids].map((id) => [id, Array.from(generator.tokenBytes(id))])) };
}

/** Ends a reply that is given up. It is gone already where it was its end that failed. */
function end(generation: Generation): void {
  try {
    generation.finish();
  } catch {
    // Nothing is left of it.
  }
}
