// Requests about models that generate text: replies that grow step by step, between which other requests are answered.
import type { TopBytes } from '../protocol/generation.js';
import { abortable, breathe, throwIfAborted } from '../shared/abort.js';
import { isTrap } from '../shared/errors.js';
import type { AbstractiveSummary, GeneratedToken, Generator } from '../types.js';
import { trapped } from './builds.js';
import type { Engine, Handlers } from './engine.js';
import { end, extracted, goingOn, inSteps, render } from './in-steps.js';

/** The handlers of `engine` for models that generate text. */
export function generatorHandlers(
  engine: Engine,
): Pick<Handlers, 'extract' | 'generate' | 'promptTokens' | 'summarize'> {
  const generatorOf = (key: number): Generator => engine.model(key, 'generator').generator;

  return {
    promptTokens: ({ key, prompt }) =>
      engine.exclusive(() => trapped(async () => Array.from(generatorOf(key).tokens(prompt, render)))),

    summarize: ({ key, text, options }, { signal, onPiece }) =>
      inSteps(engine, signal, {
        start: (): AbstractiveSummary => generatorOf(key).summarize(text, options, render),
        step: (summary) => summary.step(render),
        added: (text) => {
          if (text !== '') onPiece?.({ text, tokens: [] });
        },
        finish: (summary) => summary.finish(),
      }),

    extract: ({ key, text, options }, { signal }) =>
      extracted(
        engine,
        signal,
        () => generatorOf(key).extract(text, options, render),
        (record) => record.finish(),
      ),

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
          // An abort ends it before the event loop runs: in place, the caller may begin other replies first.
          await abortable(breathe(), signal);
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

/** The bytes of the likeliest tokens at each place. */
function topBytes(generator: Generator, tokens: GeneratedToken[]): TopBytes {
  const ids = new Set(tokens.flatMap(({ top }) => top.map(({ id }) => id)));
  if (ids.size === 0) return {};
  return { top_bytes: Object.fromEntries([...ids].map((id) => [id, Array.from(generator.tokenBytes(id))])) };
}
