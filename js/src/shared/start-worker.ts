// Start of workers, also in pages that may not start them by an address alone: under Trusted Types, from the scripts of
// another origin, and in a sandboxed frame.

import { baseAddress } from './base-address.js';

/** The part of the Trusted Types API that is used here; TypeScript does not know it. */
interface TrustedTypes {
  defaultPolicy: unknown;
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy;
}

interface Policy {
  createScriptURL(url: string): unknown;
}

type Construct = ConstructorParameters<typeof Worker>;

/** The name that a page allows in its Content-Security-Policy, as `trusted-types pilot-light`. */
const POLICY = 'pilot-light';

/** The policy, or why the page has none. */
let policy: Policy | { refusal: unknown } | undefined;

/**
 * The worker that `start` constructs: by its address, and where that may not be started by a script of the page's own
 * that imports it.
 */
export function startWorker(start: () => Worker): Worker {
  if (globalThis.Worker === undefined) return start();
  const [address, options] = argumentsOf(start);
  const url = new URL(address, baseAddress()).href;
  try {
    return new Worker(trusted(url), options);
  } catch (thrown) {
    const { name } = thrown as Partial<Error>;
    if (name === 'TypeError' && policy !== undefined && 'refusal' in policy) throw policy.refusal;
    if (name !== 'SecurityError') throw thrown;
    const quoted = JSON.stringify(url);
    const script = addressOf(options?.type === 'module' ? `import ${quoted};` : `importScripts(${quoted});`);
    try {
      return new Worker(trusted(script), options);
    } catch {
      throw thrown;
    }
  }
}

/**
 * An address of `script`. In a frame without an origin of its own a worker is started from no other than a data URL.
 */
function addressOf(script: string): string {
  if (globalThis.origin === 'null') return `data:text/javascript,${encodeURIComponent(script)}`;
  return URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
}

/**
 * What `start` constructs its worker with. A bundler puts the right address there, and finds it by that very
 * expression, so it cannot be had by another.
 */
function argumentsOf(start: () => Worker): [address: string, options: Construct[1]] {
  const { Worker: own } = globalThis;
  let found: Construct = [''];
  class Recorder {
    constructor(...given: Construct) {
      found = given;
    }
  }
  globalThis.Worker = Recorder as unknown as typeof Worker;
  try {
    start();
  } finally {
    globalThis.Worker = own;
  }
  return [String(found[0]), found[1]];
}

/** `url` as a page under Trusted Types takes it. The policy is for these addresses alone, and is given to nobody. */
function trusted(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  if (trustedTypes === undefined || trustedTypes.defaultPolicy) return url;
  try {
    policy ??= trustedTypes.createPolicy(POLICY, { createScriptURL: (url) => url });
  } catch (refusal) {
    // It matters only to a page that takes nothing but trusted addresses.
    policy = { refusal };
  }
  return ('refusal' in policy ? url : policy.createScriptURL(url)) as string;
}
