// Options of one question to a cascade: checks of those that are not the task's.
import { describe, splitSignal } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import type { RunOptions } from '../tasks/index.js';
import type { Provenance } from '../types.js';
import type { CascadeCallOptions } from './options.js';
import type { CascadeCallbacks } from './remote-driver.js';

/** A question's options by whose they are. */
interface Read {
  signal: AbortSignal | undefined;
  callbacks: CascadeCallbacks;
  must_stay_local: boolean;
  /** What the caller knows of the texts, where it says so. */
  provenance: Provenance | undefined;
  /** The task's. */
  given: RunOptions;
}

/** `called`, checked. */
export function readCallOptions(called: CascadeCallOptions | undefined): Read {
  const { signal, rest } = splitSignal(called);
  const { stream_callback, request_callback, must_stay_local = false, source, agreement, ...given } = rest;
  for (const [name, callback] of Object.entries({ stream_callback, request_callback })) {
    if (callback === undefined || typeof callback === 'function') continue;
    throw invalidInput(`${name} must be a function, got ${describe(callback)}.`);
  }
  if (typeof must_stay_local !== 'boolean') {
    throw invalidInput(`must_stay_local must be true or false, got ${describe(must_stay_local)}.`);
  }
  const provenance = readProvenance(source, agreement);
  const callbacks = { ...(stream_callback && { stream_callback }), ...(request_callback && { request_callback }) };
  return { signal, callbacks, must_stay_local, provenance, given };
}

function readProvenance(source: unknown, agreement: unknown): Provenance | undefined {
  if (source === undefined && agreement === undefined) return undefined;
  if (source !== undefined && (typeof source !== 'string' || source === '')) {
    throw invalidInput(`source must be a string that is not empty, got ${describe(source)}.`);
  }
  if (agreement !== undefined && !(typeof agreement === 'number' && agreement > 0 && agreement <= 1)) {
    throw invalidInput(`agreement must be a number above 0 and at most 1, got ${describe(agreement)}.`);
  }
  return { ...(source !== undefined && { source }), ...(agreement !== undefined && { agreement }) };
}
