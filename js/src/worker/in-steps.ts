// Work in steps: a model that generates text does a part of it at a time, between which other requests are answered.
import { abortable, breathe, throwIfAborted } from '../shared/abort.js';
import { isTrap } from '../shared/errors.js';
import type { Extraction, Generation } from '../types.js';
import { trapped } from './builds.js';
import { renderChatTemplate } from './chat-template.js';
import type { Engine } from './engine.js';

/** Work that is done in steps. */
interface Steps<W, T, A> {
  start(): W;
  step(work: W): Promise<A>;
  /** Is called with what each step gave. */
  added?(part: A): void;
  /** The result of all steps, which took this many milliseconds. It takes the work, also where it throws. */
  finish(work: W, ms: number): T;
}

/** Does `steps` one after the other; calls of other models come between. */
export async function inSteps<W extends { readonly complete: boolean; free(): void }, T, A>(
  engine: Engine,
  signal: AbortSignal | undefined,
  { start, step, added, finish }: Steps<W, T, A>,
): Promise<T> {
  let ms = 0;
  const timed = async <R>(part: () => Promise<R>): Promise<R> => {
    const started = performance.now();
    const result = await part();
    ms += performance.now() - started;
    return result;
  };
  const work = await engine.exclusive(() =>
    trapped(async () => {
      throwIfAborted(signal);
      return timed(async () => start());
    }),
  );
  try {
    while (!work.complete) {
      const part = await engine.exclusive(async () => {
        throwIfAborted(signal);
        return timed(() => engine.checked(() => step(work)));
      });
      added?.(part);
      // An abort ends it before the event loop runs: in place, the caller may begin other work first.
      await abortable(breathe(), signal);
    }
  } catch (thrown) {
    if (!isTrap(thrown) && engine.dead === undefined) work.free();
    throw thrown;
  }
  return engine.exclusive(() => trapped(async () => finish(work, ms)));
}

/** What `finish` makes of the record that `start` begins to read. */
export function extracted<T>(
  engine: Engine,
  signal: AbortSignal | undefined,
  start: () => Extraction,
  finish: (extraction: Extraction, ms: number) => T,
): Promise<T> {
  return inSteps(engine, signal, { start, step: (extraction) => extraction.step(goingOn(signal)), finish });
}

/**
 * Milliseconds that a step computes before the thread hears of an abort. To hear of one takes a third of a millisecond.
 */
const UNHEARD = 16;

/** What a step is told when it asks whether to go on; meanwhile the thread hears of an abort. */
export function goingOn(signal: AbortSignal | undefined): () => Promise<boolean> {
  let heard = performance.now();
  return async () => {
    if (performance.now() - heard > UNHEARD) {
      await breathe();
      heard = performance.now();
    }
    return signal?.aborted !== true;
  };
}

/** The model's chat template with its variables. */
export function render(template: string, variables: string): string {
  return renderChatTemplate(template, JSON.parse(variables) as Record<string, unknown>);
}

/** Ends a reply that is given up. It is gone already where it was its end that failed. */
export function end(generation: Generation): void {
  try {
    generation.finish();
  } catch {
    // Nothing is left of it.
  }
}
