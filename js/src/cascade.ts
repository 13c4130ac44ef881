import { withController } from './abort.js';
import { callable, Handle, type Disposable, type PipelineOptions } from './handle.js';
import { invalid, splitSignal, toInputs } from './input.js';
import type { CallOptions } from './pipeline.js';
import { limiter } from './queue.js';
import { baseAddress } from './resolve.js';
import { attempt, remoteAddress, type Remote } from './transport.js';
import type { CascadeConfig, Envelope, RunOptions, Step, TextTask } from './types.js';

/** What a cascade is made of. */
export interface CascadeOptions {
  /** The specialised model, loaded as by `pipeline`. */
  local: { task: TextTask; model: string } & PipelineOptions;
  /** The general model. Without one, every answer is local, and flagged where it is unsure. */
  remote?: Remote;
  /** When to ask the general model. */
  policy?: CascadeConfig['policy'];
  /** Aborts the load. */
  signal?: AbortSignal;
  /** Receives the progress of the load. */
  progress_callback?: PipelineOptions['progress_callback'];
}

/** Options of one question; `candidate_labels` and the like are the task's. */
export type CascadeCallOptions = CallOptions & RunOptions;

/** Answers texts, each with the one envelope that says what, from where and why. */
export interface CascadePipeline extends Disposable {
  (text: string, options?: CascadeCallOptions): Promise<Envelope>;
  (texts: string[], options?: CascadeCallOptions): Promise<Envelope[]>;
  /** The confidence from which on the local answer is the answer. It may be set, from 0 to 1. */
  threshold: number;
}

/** Requests that one cascade has under way at once. */
const REMOTE_WIDTH = 4;

/**
 * Loads a specialised model and puts a general one behind it. At or above the confidence threshold
 * the local answer is the answer; below it the text goes to `remote`. A remote that cannot be
 * reached, is slow or answers nonsense leaves the local answer, flagged: that is never an error.
 *
 * @example
 * const triage = await cascade({
 *   local: { task: 'text-classification', model: '/models/spam' },
 *   remote: { baseURL: '/v1', model: 'any' },
 *   policy: { threshold: 0.9 },
 * });
 * const { output, route, confidence } = await triage('You have won …');
 *
 * @throws PilotLightError As `pipeline` does.
 */
export async function cascade(options: CascadeOptions): Promise<CascadePipeline> {
  if (options?.local === undefined) throw invalid("A cascade needs { local: { task, model } }.");
  const { task, model, ...rest } = options.local;
  const remote = options.remote && checkedRemote(options.remote);
  const config: CascadeConfig = {
    ...(remote && { remote: { model: remote.model, ...(remote.timeout_ms !== undefined && { timeout_ms: remote.timeout_ms }) } }),
    ...(options.policy && { policy: { ...options.policy } }),
  };
  const { signal, progress_callback } = options;
  const handle = await Handle.load(task, model, { ...(signal && { signal }), ...(progress_callback && { progress_callback }), ...rest }, config);
  return new Triage(handle, remote).callable();
}

/** A cascade at work; for its tests only, the package exports the function alone. */
export class Triage {
  #threshold: number;
  readonly #limited = limiter(REMOTE_WIDTH);

  constructor(
    readonly handle: Handle,
    readonly remote: Remote | undefined,
  ) {
    this.#threshold = handle.threshold;
  }

  /** Itself as the function that the caller is given. */
  callable(): CascadePipeline {
    const ask = callable((texts: unknown, options?: CascadeCallOptions) => this.ask(texts, options), this.handle);
    const set = (value: unknown): void => {
      if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw invalid(`The threshold must be a number from 0 to 1, not ${String(value)}.`);
      this.#threshold = value;
    };
    return Object.defineProperty(ask, 'threshold', { get: () => this.#threshold, set, enumerable: true }) as unknown as CascadePipeline;
  }

  async ask(texts: unknown, options: CascadeCallOptions | undefined): Promise<Envelope | Envelope[]> {
    const inputs = toInputs(texts);
    const { signal, rest } = splitSignal(options);
    return this.handle.call(signal, async () => {
      const envelopes = inputs.length === 0 ? [] : await this.#answer(inputs, rest, signal);
      return Array.isArray(texts) ? envelopes : (envelopes[0] as Envelope);
    });
  }

  async #answer(inputs: string[], options: RunOptions, signal: AbortSignal | undefined): Promise<Envelope[]> {
    const question = { options, threshold: this.#threshold };
    const { steps, generation } = await this.handle.request('decide', { inputs, ...question }, signal);
    // One that fails takes the others with it: nothing is sent for an answer that nobody will see.
    return withController(signal, async (controller) => {
      const answers = steps.map((step, i) => this.#finish(step, { inputs: inputs.slice(i, i + 1), ...question }, generation, controller.signal));
      try {
        return await Promise.all(answers);
      } catch (thrown) {
        controller.abort(thrown);
        await Promise.allSettled(answers);
        throw thrown;
      }
    });
  }

  /** Goes from step to step until the answer is there. */
  async #finish(first: Step, question: { inputs: string[]; options: RunOptions; threshold: number }, from: number, signal: AbortSignal): Promise<Envelope> {
    let step = first;
    let generation = from;
    while ('send' in step) {
      const { send } = step;
      const { remote } = this;
      if (remote === undefined) throw invalid('The cascade has no remote.');
      try {
        const event = await this.#limited(() => attempt(remote, send, signal));
        ({ step, generation } = await this.handle.request('resume', { ...question, call: send.call, generation, event }, signal));
      } catch (thrown) {
        await this.handle.notify('abandon', { call: send.call, generation });
        throw thrown;
      }
    }
    return step.done;
  }
}

function checkedRemote(remote: Remote): Remote {
  if (typeof remote.model !== 'string' || remote.model === '') throw invalid('remote.model must name the general model.');
  if (remote.getToken !== undefined && typeof remote.getToken !== 'function') throw invalid('remote.getToken must be a function.');
  return { ...remote, baseURL: remoteAddress(remote.baseURL, baseAddress()) };
}
