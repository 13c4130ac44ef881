// Abort and timeout helpers.
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
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/**
 * Runs `work` with a controller that aborts when `parent` does. Written out because `AbortSignal.any` is younger than
 * the browsers that the CPU builds run in.
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
 * Runs `work` for at most `ms`, with a signal that aborts after that time, when `parent` does, and when the work has
 * ended: nobody reads any more what is still under way. After the time it rejects with the error that `late` makes, or
 * with kind 'cancelled' without `late`; after an abort by `parent` with kind 'cancelled'.
 */
export function within<T>(
  ms: number,
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
  late?: () => Error,
): Promise<T> {
  return withController(parent, async (controller) => {
    let error: Error | undefined;
    const timer = setTimeout(() => {
      error = late?.();
      controller.abort();
    }, ms);
    try {
      return await abortable(work(controller.signal), controller.signal);
    } catch (thrown) {
      throw error ?? thrown;
    } finally {
      clearTimeout(timer);
      controller.abort();
    }
  });
}

/** Resolves after `ms`. @throws PilotLightError kind 'cancelled' as soon as `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  if (ms <= 0) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await abortable(over, signal).finally(() => clearTimeout(timer));
}

/**
 * Lets the event loop run once, so that an abort can be noticed; no timer, which would be slow in a page in the
 * background.
 */
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
