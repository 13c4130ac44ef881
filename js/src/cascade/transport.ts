// Transports: one attempt to ask a remote model, and the event that it ends with.
import { pause, throwIfAborted, within } from '../shared/abort.js';
import { messageOf } from '../shared/errors.js';
import type { RemoteEvent, RemoteRequest } from '../types.js';

/**
 * Asks a remote model once and returns its reply. Native code has the same as the trait `Transport`.
 *
 * @throws Fault Where there is no reply.
 */
export type Transport = (request: RemoteRequest, hooks: AttemptHooks, signal: AbortSignal) => Promise<Reply>;

/** Called during an attempt. */
export interface AttemptHooks {
  /** The request leaves the device now. */
  leaving: () => void;
  /** Receives a streamed reply, piece by piece, until it returns true. */
  feed: Feed;
}

/** Takes the next bytes of a reply; `last` says that there are no more. Returns whether nothing more need be read. */
export type Feed = (bytes: Uint8Array, last: boolean) => Promise<boolean>;

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** The reply of a remote model. */
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

/** Runs `work`, whose failure is a fault of this kind. */
export async function faulty<T>(fault: FaultKind, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw thrown instanceof Fault ? thrown : new Fault(fault, messageOf(thrown));
  }
}

/**
 * Makes one attempt to reach a remote model. Whatever goes wrong is an event, for the
 * cascade to decide on; only an abort by the caller rejects.
 */
export async function attempt(
  transport: Transport,
  request: RemoteRequest,
  hooks: AttemptHooks,
  signal: AbortSignal | undefined,
): Promise<RemoteEvent> {
  await pause(request.delay_ms, signal);
  const started = performance.now();
  const elapsed = (): number => performance.now() - started;
  try {
    const reply = await within(request.deadline_ms, signal, (signal) => transport(request, hooks, signal));
    return { ...reply, elapsed_ms: elapsed() };
  } catch (thrown) {
    throwIfAborted(signal);
    const { fault, message } =
      thrown instanceof Fault ? thrown : new Fault('timeout', `no answer within ${Math.round(request.deadline_ms)} ms`);
    return { type: 'fault', fault, message, elapsed_ms: elapsed() };
  }
}
