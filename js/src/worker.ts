// Engine worker (entry point): an engine behind messages. Every request is answered, with a result or an error.
import type { FromWorker, ToWorker } from './protocol/messages.js';
import type { Op, Result } from './protocol/requests.js';
import { toFacts, toPilotLightError } from './shared/errors.js';
import { Engine } from './worker/engine.js';

const engine = new Engine();
const running = new Map<number, AbortController>();

// Typed by hand: the global types of a page and of a worker cannot be used in one compilation.
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
      onPiece: (piece) => port.postMessage({ id, piece }),
    });
    port.postMessage({ id, result }, transferables(result));
  } catch (thrown) {
    port.postMessage({ id, error: toFacts(toPilotLightError(thrown)), dead: engine.dead && toFacts(engine.dead) });
  } finally {
    running.delete(id);
  }
}

/** The buffers of embeddings and tensors, which are transferred and not copied. */
function transferables(result: Result<Op>): Transferable[] {
  const parts = (Array.isArray(result) ? result : [result]) as ({ data?: unknown; bytes?: unknown } | undefined)[];
  const arrays = parts.flatMap((part) => [part?.data, part?.bytes]);
  return arrays.flatMap((array) => (ArrayBuffer.isView(array) ? [array.buffer as ArrayBuffer] : []));
}
