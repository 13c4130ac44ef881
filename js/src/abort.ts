import { cancelled } from './errors.js';

/** @throws PilotLightError kind 'cancelled' if `signal` is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(signal);
}

/** `promise`, or a rejection of kind 'cancelled' as soon as `signal` aborts. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(cancelled(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/**
 * Runs `work` with a controller that aborts when `parent` does. Written out because
 * `AbortSignal.any` is younger than the browsers that the CPU artefact runs in.
 */
export async function withController<T>(
  parent: AbortSignal | undefined,
  work: (controller: AbortController) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(parent?.reason);
  if (parent?.aborted) onAbort();
  parent?.addEventListener('abort', onAbort, { once: true });
  try {
    return await work(controller);
  } finally {
    parent?.removeEventListener('abort', onAbort);
  }
}

/**
 * Runs `work` for at most `ms`, with a signal that aborts then, when `parent` does, and when the work has ended: whatever
 * is still under way has no reader any more. Rejects with kind 'cancelled' at the first two.
 */
export function within<T>(
  ms: number,
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withController(parent, async (controller) => {
    const timer = setTimeout(() => controller.abort(), ms);
    try {
      return await abortable(work(controller.signal), controller.signal);
    } finally {
      clearTimeout(timer);
      controller.abort();
    }
  });
}

/** Lets the event loop take a turn, so that an abort can be heard; no timer, which a page in the background would slow down. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
