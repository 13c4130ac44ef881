// The worker's entry: an engine behind messages. Every request is answered, with a result or an error.
import { Engine } from './engine.js';
import { toFacts, toPilotLightError } from './errors.js';
import type { FromWorker, Op, Result, ToWorker } from './protocol.js';

const engine = new Engine();
const running = new Map<number, AbortController>();

// Typed by hand: the page's and the worker's global types cannot be used in one compilation.
const port = self as unknown as {
  onmessage: (event: MessageEvent<ToWorker>) => void;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
};

port.onmessage = ({ data }) => {
  if ('abort' in data) running.get(data.abort)?.abort();
  else void answer(data);
};

async function answer({ id, op, args }: Extract<ToWorker, { id: number }>): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const result = await engine.handle(op, args, {
      signal: controller.signal,
      onProgress: (progress) => port.postMessage({ id, progress }),
    });
    port.postMessage({ id, result }, transferables(result));
  } catch (thrown) {
    port.postMessage({ id, error: toFacts(toPilotLightError(thrown)), dead: engine.dead && toFacts(engine.dead) });
  } finally {
    running.delete(id);
  }
}

/** The buffers of embeddings and tensors go over without a copy. */
function transferables(result: Result<Op>): Transferable[] {
  const parts = (Array.isArray(result) ? result : [result]) as ({ data?: unknown; bytes?: unknown } | undefined)[];
  return parts
    .flatMap((part) => [part?.data, part?.bytes])
    .flatMap((array) => (ArrayBuffer.isView(array) ? [array.buffer as ArrayBuffer] : []));
}
