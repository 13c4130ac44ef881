// Redactors: find the personal data of a text that has no fixed form, by a model or by a function of the page.
import { Handle } from '../page/handle.js';
import { type PipelineOptions, taskModel } from '../page/load-options.js';
import { within } from '../shared/abort.js';
import { invalidInput, PilotLightError } from '../shared/errors.js';
import { type Lease, SharedMap } from '../shared/shared-map.js';
import type { PiiSpan } from '../types.js';

/**
 * Finds the personal data of a text that has no fixed form, such as names, in the scripts that it was made for; what
 * has one is found without it, in the digits of all scripts.
 */
export type Redactor = (text: string, signal: AbortSignal | undefined) => Promise<PiiSpan[]>;

/** A model that finds personal data, loaded as by `pipeline`. */
export type RedactorModel = { model: string } & PipelineOptions;

/** A redactor that can be used. */
export interface PreparedRedactor {
  find: Redactor;
  /** Lets go of what it has loaded. */
  release(): Promise<void>;
}

/** The default model, under `env.localModelPath`. */
const DEFAULT_MODEL = 'rampart';

/** How long a text waits for the model's load, which goes on for later texts. */
const LOAD_WAIT_MS = 120_000;

/** Where a redactor runs by default: next to the local model, in the same worker. */
type Place = Pick<PipelineOptions, 'device' | 'worker'>;

/** `redactor` as it is used. A model is loaded when a text is to be sent for the first time, not before. */
export function prepareRedactor(
  redactor: Redactor | RedactorModel | string | undefined,
  { device, worker }: Place,
): PreparedRedactor {
  if (typeof redactor === 'function') return { find: redactor, release: async () => undefined };
  const named = redactor ?? DEFAULT_MODEL;
  const given = typeof named === 'string' ? { model: named } : named;
  if (typeof given !== 'object' || given === null || typeof given.model !== 'string' || given.model === '') {
    throw invalidInput('The redactor must be a function, the name of a model, or { model } with options of its load.');
  }
  const place = { ...(device !== undefined && { device }), ...(worker !== undefined && { worker }) };
  return new ModelRedactor({ ...place, ...given });
}

/** Models in use, by how they were loaded: cascades that want the same one share it. */
const handles = new SharedMap<Promise<Handle>>(async (loading) => {
  const handle = await loading.catch(() => undefined);
  await handle?.dispose();
});

class ModelRedactor implements PreparedRedactor {
  readonly #options: RedactorModel;
  #lease: Lease<Promise<Handle>> | undefined;

  constructor(options: RedactorModel) {
    this.#options = options;
  }

  readonly find: Redactor = async (text, signal) => {
    const late = (): Error => {
      const message = `The redactor '${this.#options.model}' was not loaded within ${LOAD_WAIT_MS / 1000} s.`;
      return new PilotLightError('timeout', message, { retryable: true });
    };
    // The load serves other texts as well: an abort of this one ends the waiting, not the load.
    const handle = await within(LOAD_WAIT_MS, signal, () => this.#load(), late);
    const [spans] = await handle.request('findPii', { inputs: [text] }, signal);
    return spans as PiiSpan[];
  };

  async release(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    await lease?.release();
  }

  #load(): Promise<Handle> {
    if (this.#lease !== undefined) return this.#lease.value;
    const { model, ...options } = this.#options;
    const { progress_callback: _, signal: __, ...identity } = options;
    const load = async (): Promise<Handle> =>
      Handle.load({ pipeline: taskModel('token-classification', model, options) }, options);
    const lease = handles.acquire(JSON.stringify([model, identity]), load);
    this.#lease = lease;
    lease.value.catch(() => {
      // A model that could not be loaded is tried again for the next text.
      lease.evict();
      if (this.#lease === lease) this.#lease = undefined;
    });
    return lease.value;
  }
}
