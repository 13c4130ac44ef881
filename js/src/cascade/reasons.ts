// Classification of the reasons of an answer.
import type { Reason } from '../types.js';

/** Whether each reason is a cap that was reached: a reason that is not listed does not compile. */
const IS_CAP: Record<Reason, boolean> = {
  confident: false,
  unsure: false,
  'no-remote': false,
  'must-stay-local': false,
  'local-only': false,
  'redactor-unavailable': false,
  'too-long': false,
  'remote-unreachable': false,
  'remote-timeout': false,
  'remote-refused': false,
  'remote-invalid': false,
  'breaker-open': false,
  'retry-budget': false,
  'queue-full': false,
  'requests-per-minute': true,
  'tokens-per-minute': true,
  'requests-per-day': true,
  'usd-per-day': true,
  'joules-per-day': true,
  latency: true,
  // What a cap still allows cannot be known.
  'spending-unknown': true,
};

/** Whether `reason` is a cap that was reached, or that may have been. */
export function isCap(reason: Reason): boolean {
  return IS_CAP[reason];
}
