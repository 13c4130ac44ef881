import { throwIfAborted, within } from './abort.js';
import { PilotLightError } from './errors.js';
import { Handle, type PipelineOptions } from './handle.js';
import { invalid } from './input.js';
import type { MarkedSpan } from './types.js';

/** Finds the personal data of a text that has no form, such as names; what has one is found without it. */
export type Redactor = (text: string, signal: AbortSignal | undefined) => Promise<MarkedSpan[]>;

/** A model that finds personal data, loaded as by `pipeline`. */
export type RedactorModel = { model: string } & PipelineOptions;

/** A redactor, made ready. */
export interface ReadyRedactor {
  find: Redactor;
  /** Lets go of what it has loaded. */
  release(): Promise<void>;
}

/** The model that is used where none is named, under `env.localModelPath`. */
const DEFAULT_MODEL = 'rampart';

/** How long a text waits for the model's load, which goes on for later ones. */
const LOAD_WAIT_MS = 120_000;

/** Where a redactor runs unless it says otherwise: beside the local model, in the same worker. */
type Beside = Pick<PipelineOptions, 'device' | 'worker'>;

/** `redactor` as it is used. A model is loaded when a text is to be sent for the first time, not before. */
export function readyRedactor(
  redactor: Redactor | RedactorModel | string | undefined,
  { device, worker }: Beside,
): ReadyRedactor {
  if (typeof redactor === 'function') return { find: redactor, release: async () => undefined };
  const named = redactor ?? DEFAULT_MODEL;
  const given = typeof named === 'string' ? { model: named } : named;
  if (typeof given !== 'object' || given === null || typeof given.model !== 'string' || given.model === '') {
    throw invalid('The redactor must be a function, the name of a model, or { model } with options of its load.');
  }
  return new ModelRedactor({
    ...(device !== undefined && { device }),
    ...(worker !== undefined && { worker }),
    ...given,
  });
}

interface Shared {
  handle: Promise<Handle>;
  users: number;
}

/** Models in use, by what they were loaded with: cascades that want the same one share it. */
const shared = new Map<string, Shared>();

class ModelRedactor implements ReadyRedactor {
  readonly #options: RedactorModel;
  #used: Shared | undefined;

  constructor(options: RedactorModel) {
    this.#options = options;
  }

  readonly find: Redactor = async (text, signal) => {
    const handle = await this.#loaded(signal);
    const [spans] = await handle.request('mark', { inputs: [text] }, signal);
    return spans as MarkedSpan[];
  };

  /** The load is not the one text's alone: its abort ends the waiting, not the load. */
  async #loaded(signal: AbortSignal | undefined): Promise<Handle> {
    try {
      return await within(LOAD_WAIT_MS, signal, () => this.#load());
    } catch (thrown) {
      throwIfAborted(signal);
      if (!(thrown instanceof PilotLightError && thrown.kind === 'cancelled')) throw thrown;
      throw new PilotLightError(
        'timeout',
        `The redactor '${this.#options.model}' was not loaded within ${LOAD_WAIT_MS / 1000} s.`,
        { retryable: true },
      );
    }
  }

  async release(): Promise<void> {
    const used = this.#used;
    this.#used = undefined;
    if (used === undefined) return;
    used.users -= 1;
    if (used.users > 0) return;
    forget(used);
    const handle = await used.handle.catch(() => undefined);
    await handle?.dispose();
  }

  #load(): Promise<Handle> {
    if (this.#used === undefined) {
      const { model, ...options } = this.#options;
      const { progress_callback: _, signal: __, ...identity } = options;
      const id = JSON.stringify([model, identity]);
      const used = shared.get(id) ?? { handle: Handle.load('token-classification', model, options), users: 0 };
      shared.set(id, used);
      used.users += 1;
      this.#used = used;
      used.handle.catch(() => {
        // What could not be loaded is tried again for the next text.
        forget(used);
        if (this.#used === used) this.#used = undefined;
      });
    }
    return this.#used.handle;
  }
}

function forget(used: Shared): void {
  for (const [id, known] of shared) if (known === used) shared.delete(id);
}
