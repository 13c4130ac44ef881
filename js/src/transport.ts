import { abortable, throwIfAborted, within } from './abort.js';
import { messageOf } from './errors.js';
import type { RemoteEvent, RemoteRequest } from './types.js';

/**
 * A way to a general model: asks it once, and tells what it replied. Native code has the same as the trait
 * `Transport`.
 *
 * @throws Fault Where there is no reply.
 */
export type Transport = (request: RemoteRequest, watch: Watch, signal: AbortSignal) => Promise<Reply>;

/** Who is told of an attempt while it is made. */
export interface Watch {
  /** The request leaves the device now. */
  leaving: () => void;
  /** Gets a reply in pieces, piece by piece, until it says that it has enough. */
  feed: Feed;
}

/** Takes the next bytes of a reply; `last` says that there are no more. Whether there is nothing more to read. */
export type Feed = (bytes: Uint8Array, last: boolean) => Promise<boolean>;

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** What a general model replied. */
export type Reply = Without<Exclude<RemoteEvent, { type: 'fault' }>, 'elapsed_ms'>;

type FaultKind = Extract<RemoteEvent, { type: 'fault' }>['fault'];

/** An attempt that ended without a reply, and what of it failed. */
export class Fault extends Error {
  constructor(
    readonly fault: FaultKind,
    message: string,
  ) {
    super(message);
  }
}

/** `work`, whose failure is a fault of that kind. */
export async function faulty<T>(fault: FaultKind, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw thrown instanceof Fault ? thrown : new Fault(fault, messageOf(thrown));
  }
}

/**
 * Makes one attempt to reach a general model and tells what came of it. Whatever goes wrong is an event, for the
 * cascade to decide on; only an abort by the caller rejects.
 */
export async function attempt(
  ask: Transport,
  request: RemoteRequest,
  watch: Watch,
  signal: AbortSignal | undefined,
): Promise<RemoteEvent> {
  await pause(request.delay_ms, signal);
  const started = performance.now();
  const elapsed = (): number => performance.now() - started;
  try {
    const reply = await within(request.deadline_ms, signal, (signal) => ask(request, watch, signal));
    return { ...reply, elapsed_ms: elapsed() };
  } catch (thrown) {
    throwIfAborted(signal);
    if (thrown instanceof Fault)
      return { type: 'fault', fault: thrown.fault, message: thrown.message, elapsed_ms: elapsed() };
    return {
      type: 'fault',
      fault: 'timeout',
      message: `no answer within ${Math.round(request.deadline_ms)} ms`,
      elapsed_ms: elapsed(),
    };
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  if (ms <= 0) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await abortable(over, signal).finally(() => clearTimeout(timer));
}
