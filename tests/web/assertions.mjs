// Assertions that several suites share.
import assert from 'node:assert/strict';

/** `error`, as `outcome` gives it, is one of the package's own and of this kind. */
export function typed(error, kind) {
  assert.deepEqual(
    [error?.kind, error?.name, error?.ours],
    [kind, kind === 'cancelled' ? 'AbortError' : 'PilotLightError', true],
    error?.message,
  );
}

/** Two numbers differ by no more than `tolerance`; NaN is close to nothing. */
export function close(actual, expected, tolerance, what) {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, expected ${expected}`);
}

/** Two non-empty arrays of numbers are as long and as close. */
export function allClose(actual, expected, tolerance) {
  assert.ok(expected.length > 0, 'there is something to compare');
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => close(actual[i], value, tolerance, `number ${i}`));
}
