import { withController } from './abort.js';
import { type CalibrateOptions, calibrate } from './calibrate.js';
import { type LocalModel, type RouterModel, readyChain, readyRouter } from './chain.js';
import { Delegate, type Watchers } from './delegate.js';
import { callable, type Disposable, Handle, type PipelineOptions } from './handle.js';
import { checkedNumbers, invalid, splitSignal, toInputs } from './input.js';
import type { LabelledText } from './labels.js';
import { Books, type Ledger } from './ledger.js';
import type { CallOptions } from './pipeline.js';
import type { DecideArgs } from './protocol.js';
import { type Redactor, type RedactorModel, readyRedactor } from './redactor.js';
import { type ReadyRemote, type Remote, readyRemotes } from './remote.js';
import type { Calibrated, Calibration, CascadeConfig, Envelope, RunOptions } from './types.js';

/** What a cascade is made of. */
export interface CascadeOptions {
  /**
   * The specialised model, loaded as by `pipeline`. Or several, one behind the other, for the same task with the same
   * labels: what the first is not sure of goes through the next, and what the last is not sure of to the remote. They run
   * in one engine, so `device` and `worker` are the same for all.
   */
  local: LocalModel | LocalModel[];
  /**
   * The general models, in the order in which they are asked: the next one where one fails. Without any, every answer
   * is local, and flagged where it is unsure.
   */
  remote?: Remote | Remote[];
  /**
   * Guesses which of the first two `remote`s a text is for: the first is taken to be the cheaper one, and the second the
   * better one. Where the better one gains at least `min_gain` it is asked first, and where it fails the other one is.
   */
  router?: RouterModel;
  /** When to ask them, and what may leave. */
  policy?: CascadeConfig['policy'];
  /**
   * Finds the personal data of a text that has no form, such as names, where the policy's `privacy` is `'redact'`: the
   * name or address of a model for token-classification, which is loaded when a text is to be sent for the first time;
   * `{ model }` with options of its load; or a function. `'rampart'` by default. If it cannot be had, nothing is sent.
   */
  redactor?: string | RedactorModel | Redactor;
  /** How far the local model may be trusted, as `calibrate` gave it; of several, each has its own. */
  calibration?: Calibration;
  /** Aborts the load. */
  signal?: AbortSignal;
  /** Receives the progress of the load. */
  progress_callback?: PipelineOptions['progress_callback'];
}

/** Options of one question; `candidate_labels` and the like are the task's. */
export interface CascadeCallOptions extends CallOptions, Watchers, RunOptions {
  /** Nothing of these texts leaves the device, whatever the policy allows and however unsure the local models are. */
  must_stay_local?: boolean;
}

/** Answers texts, each with the one envelope that says what, from where and why. */
export interface CascadePipeline extends Disposable {
  (text: string, options?: CascadeCallOptions): Promise<Envelope>;
  (texts: string[], options?: CascadeCallOptions): Promise<Envelope[]>;
  /**
   * The confidence from which on the local answer is the answer. It may be set, from 0 to 1. With several local models it
   * is that of the last one, below which the general ones are asked.
   */
  threshold: number;
  /** Those of all local models, in their order. They may be set as well. */
  thresholds: number[];
  /** How far each local model may be trusted, by its `pilot.json` or by `calibrate`; null where that is not known. */
  readonly calibrations: readonly (Calibration | null)[];
  /**
   * Finds the threshold that keeps a promise, from labelled examples, and takes it; where none does, it stays as it is.
   * With several local models, `tier` says for which one.
   * Examples without a label are put to the general models first, within the policy and the caps. The `calibration` can be
   * kept, and given to `cascade` the next time.
   *
   * @throws PilotLightError Its kind is 'budget-exhausted' where a cap ends the asking and 'remote' where nobody answers;
   * `labelled` keeps what was answered.
   */
  calibrate(examples: LabelledText[], options?: CalibrateOptions): Promise<Calibrated>;
  /**
   * An answer in words: the numbers that it was decided from, what follows from them, and what came of it. They are in the
   * envelope's `decision`, without any text, so an envelope that was kept can be explained as well.
   */
  explain(envelope: Envelope): Promise<string>;
  /** What its answers have taken, in all tabs and since it was cleared last; and whether texts are still like the examples. */
  readonly ledger: Ledger;
}

/**
 * Loads a specialised model and puts general ones behind it. At or above the confidence threshold
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
  const { signal, progress_callback, redactor, policy, calibration } = options ?? {};
  const chain = readyChain(options?.local, calibration);
  checkedNumbers('policy', policy ?? {});
  checkedNumbers('local', chain.local);
  const finder = readyRedactor(redactor, chain.options);
  const remotes = readyRemotes(options.remote);
  const { router, next } = readyRouter(options.router);
  const config: CascadeConfig = {
    remotes: remotes.map(({ config }) => config),
    ...(policy && { policy: { ...policy } }),
    local: chain.local,
    ...(router && { router }),
    tab: crypto.getRandomValues(new Uint32Array(1))[0] as number,
  };
  const loading = { ...(signal && { signal }), ...(progress_callback && { progress_callback }), ...chain.options };
  const handle = await Handle.chain({ ...chain, next: [...chain.next, ...next], options: loading }, config);
  handle.owns(() => finder.release());
  const name = [chain.task, chain.model, ...chain.next.map(({ model }) => model)].join(' ');
  return new Triage(handle, remotes, finder.find, policy, name).callable();
}

/** A cascade at work; for its tests only, the package exports the function alone. */
export class Triage {
  #thresholds: number[];
  #calibrations: (Calibration | null)[];
  readonly #delegate: Delegate;
  readonly #books: Books;
  readonly #checks = new AbortController();

  constructor(
    readonly handle: Handle,
    remotes: ReadyRemote[],
    redactor: Redactor,
    policy: CascadeConfig['policy'] = {},
    name = '',
  ) {
    this.#thresholds = handle.thresholds;
    this.#calibrations = handle.calibrations;
    this.#books = new Books(name, (records) => handle.request('ledger', { records }));
    this.#delegate = new Delegate(handle, remotes, redactor, (record) => this.#books.enter(record), policy);
    handle.owns(async () => this.#checks.abort());
  }

  /** Itself as the function that the caller is given. */
  callable(): CascadePipeline {
    const ask = callable((texts: unknown, options?: CascadeCallOptions) => this.ask(texts, options), this.handle);
    const set = (values: unknown): void => {
      if (!Array.isArray(values) || values.length !== this.#thresholds.length)
        throw invalid(`The thresholds must be an array of ${this.#thresholds.length}.`);
      for (const value of values) {
        if (typeof value !== 'number' || !(value >= 0 && value <= 1))
          throw invalid(`A threshold must be a number from 0 to 1, not ${String(value)}.`);
      }
      this.#thresholds = [...values];
    };
    const calibrated = async (examples: unknown, options?: CalibrateOptions): Promise<Calibrated> => {
      const found = await calibrate(this.handle, examples, options, (lot, options, signal) =>
        this.#answer(lot, { options, must_stay_local: false, consult: true }, {}, signal),
      );
      const { calibration } = found;
      if (calibration !== undefined) {
        const put = <T>(all: T[], one: T): T[] => all.map((old, i) => (i === (options?.tier ?? 0) ? one : old));
        this.#thresholds = put(this.#thresholds, calibration.threshold);
        this.#calibrations = put<Calibration | null>(this.#calibrations, calibration);
      }
      return found;
    };
    return Object.defineProperties(ask, {
      threshold: {
        get: () => this.#thresholds.at(-1),
        set: (value) => set([...this.#thresholds.slice(0, -1), value]),
        enumerable: true,
      },
      thresholds: { get: () => [...this.#thresholds], set, enumerable: true },
      calibrations: { get: () => [...this.#calibrations], enumerable: true },
      calibrate: { value: calibrated, enumerable: true },
      explain: {
        value: (envelope: Envelope) => this.handle.call(undefined, () => this.handle.request('explain', { envelope })),
        enumerable: true,
      },
      ledger: { value: this.#books, enumerable: true },
    }) as unknown as CascadePipeline;
  }

  async ask(texts: unknown, options: CascadeCallOptions | undefined): Promise<Envelope | Envelope[]> {
    const inputs = toInputs(texts);
    const { signal, rest } = splitSignal(options);
    const { stream_callback, request_callback, must_stay_local = false, ...runOptions } = rest;
    for (const [name, watcher] of Object.entries({ stream_callback, request_callback })) {
      if (watcher !== undefined && typeof watcher !== 'function') throw invalid(`${name} must be a function.`);
    }
    if (typeof must_stay_local !== 'boolean') throw invalid('must_stay_local must be true or false.');
    const watchers: Watchers = {
      ...(stream_callback && { stream_callback }),
      ...(request_callback && { request_callback }),
    };
    return this.handle.call(signal, async () => {
      const envelopes =
        inputs.length === 0
          ? []
          : await this.#answer(inputs, { options: runOptions, must_stay_local }, watchers, signal);
      return Array.isArray(texts) ? envelopes : (envelopes[0] as Envelope);
    });
  }

  async #answer(
    inputs: string[],
    asked: Omit<DecideArgs, 'inputs' | 'thresholds'>,
    watchers: Watchers,
    signal: AbortSignal | undefined,
  ): Promise<Envelope[]> {
    const question = { ...asked, thresholds: this.#thresholds };
    const { steps, checks, generation, record } = await this.handle.request('decide', { inputs, ...question }, signal);
    this.#books.enter(record);
    const of = (index: number): DecideArgs => ({ inputs: inputs.slice(index, index + 1), ...question });
    // One that fails takes the others with it: nothing is sent for an answer that nobody will see.
    const answered = await withController(signal, async (controller) => {
      const answers = steps.map((step, index) =>
        this.#delegate.answer(step, of(index), generation, { ...watchers, index }, controller.signal),
      );
      try {
        return await Promise.all(answers);
      } catch (thrown) {
        controller.abort(thrown);
        await Promise.allSettled(answers);
        throw thrown;
      }
    });
    // Nobody waits for a check, and what comes of it goes into the ledger alone.
    const { request_callback } = watchers;
    for (const { index, ...check } of checks) {
      const watched = { ...(request_callback && { request_callback }), index };
      this.#delegate
        .answer({ delegate: check }, { ...of(index), check: true }, generation, watched, this.#checks.signal)
        .catch(() => undefined);
    }
    return answered;
  }
}
