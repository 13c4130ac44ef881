// Streams as in OpenAI's clients: chunks that can be iterated over once.
import { withController } from '../shared/abort.js';
import type { Stream } from './types.js';

/**
 * A stream of the chunks that `work` emits. A caller that leaves its loop ends the reply, and so does an abort of
 * `signal` or of the stream's own controller.
 */
export function chunkStream<T>(
  signal: AbortSignal | undefined,
  work: (emit: (chunk: T) => void, signal: AbortSignal) => Promise<void>,
): Stream<T> {
  const controller = new AbortController();
  const waiting: T[] = [];
  let wake = (): void => undefined;
  let ended = false;
  const emit = (chunk: T): void => {
    waiting.push(chunk);
    wake();
  };
  const running = withController(signal, (either) => {
    controller.signal.addEventListener('abort', () => either.abort(controller.signal.reason), { once: true });
    return work(emit, either.signal);
  }).finally(() => {
    ended = true;
    wake();
  });
  // It is thrown to the caller that iterates.
  running.catch(() => undefined);
  async function* chunks(): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        while (waiting.length > 0) yield waiting.shift() as T;
        if (ended) break;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      await running;
    } finally {
      if (!ended) controller.abort();
    }
  }
  return { controller, [Symbol.asyncIterator]: chunks };
}
