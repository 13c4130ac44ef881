// Errors: the class of this package, conversions to and from it, and constructors of frequent kinds.
import type { ErrorKind } from '../types.js';

/** The facts of an error, in a form that can be posted between threads. */
export interface ErrorFacts {
  name: string;
  kind: ErrorKind;
  message: string;
  retryable: boolean;
  index?: number | undefined;
  stack?: string | undefined;
  cause?: string | undefined;
}

/** What may be given of an error besides its kind and its message. */
export interface ErrorOptions {
  /** Whether the same call may succeed when it is made again. */
  retryable?: boolean;
  /** Which of the inputs it is about. */
  index?: number | undefined;
  cause?: unknown;
}

/**
 * Every error that this package throws.
 *
 * `name` is `'PilotLightError'`, but `'AbortError'` for a call that its own signal aborted, as the
 * platform's functions have it; `kind` is for programs to branch on.
 */
export class PilotLightError extends Error {
  /** What went wrong. */
  readonly kind: ErrorKind;
  /** Whether the same call may succeed when it is made again. */
  readonly retryable: boolean;
  /** Which of the inputs it is about, from 0; undefined where it is about none of them. */
  readonly index: number | undefined;

  constructor(kind: ErrorKind, message: string, { retryable = false, index, cause }: ErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = kind === 'cancelled' ? 'AbortError' : 'PilotLightError';
    this.kind = kind;
    this.retryable = retryable;
    this.index = index;
  }
}

/** The error of a call that `signal` aborted; its cause is the signal's reason. */
export function cancelled(signal: AbortSignal): PilotLightError {
  return new PilotLightError('cancelled', 'The call was aborted.', { cause: signal.reason });
}

/** An error about what the caller passed. */
export function invalidInput(message: string, cause?: unknown): PilotLightError {
  return new PilotLightError('invalid-input', message, { cause });
}

/** `thrown`, an error about an input of its own call, as one about the input number `index` of several. */
export function atInput(thrown: unknown, index: number): PilotLightError {
  const { kind, message, retryable, cause } = toPilotLightError(thrown);
  const words = message.replace(/^Input \d+: /, '');
  return new PilotLightError(kind, `Input ${index}: ${words}`, { retryable, index, cause });
}

/**
 * Any thrown value as a `PilotLightError`: one of ours is returned as it is, one of the WebAssembly side keeps its
 * kind, anything else is kind 'internal' with the value as its cause.
 */
export function toPilotLightError(thrown: unknown): PilotLightError {
  if (thrown instanceof PilotLightError) return thrown;
  const error = thrown as Partial<PilotLightError> | null | undefined;
  if (typeof error?.kind === 'string') {
    const { kind, retryable, index, cause } = error;
    return new PilotLightError(kind, String(error.message), { retryable: retryable === true, index, cause });
  }
  if (isTrap(thrown)) {
    const message = `The WebAssembly instance stopped: ${messageOf(thrown)}`;
    return new PilotLightError('internal', message, { retryable: true, cause: thrown });
  }
  return new PilotLightError('internal', messageOf(thrown), { cause: thrown });
}

/**
 * Whether the WebAssembly instance that threw this must not be used again: a trap (a Rust panic is
 * one), or a stack overflow that left its frames half done.
 */
export function isTrap(thrown: unknown): boolean {
  return (
    thrown instanceof WebAssembly.RuntimeError || (thrown instanceof RangeError && /call stack/i.test(thrown.message))
  );
}

/** The message of any thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** `error` as facts to be posted. */
export function toFacts(error: PilotLightError): ErrorFacts {
  const { name, kind, message, retryable, index, stack } = error;
  return {
    name,
    kind,
    message,
    retryable,
    index,
    stack,
    cause: error.cause === undefined ? undefined : messageOf(error.cause),
  };
}

/** The error of the posted `facts`. */
export function fromFacts(facts: ErrorFacts): PilotLightError {
  const cause = facts.cause === undefined ? undefined : new Error(facts.cause);
  const { kind, message, retryable, index } = facts;
  const error = new PilotLightError(kind, message, { retryable, index, cause });
  if (facts.stack !== undefined) error.stack = facts.stack;
  return error;
}
