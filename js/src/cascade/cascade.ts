// Cascades: `cascade` loads local models and puts remote models behind them.
import { callable, Handle } from '../page/handle.js';
import type { DecideArgs } from '../protocol/requests.js';
import { withController } from '../shared/abort.js';
import { checkFinite, describe, toTexts } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import { plain } from '../shared/plain.js';
import type { RunOptions } from '../tasks/index.js';
import { recordOptions } from '../tasks/information-extraction.js';
import type { Calibrated, Calibration, CascadeConfig, Consultation, Envelope } from '../types.js';
import { type CalibrateOptions, calibrate } from './calibrate.js';
import { readCallOptions } from './call-options.js';
import { readLearn, withLearning } from './learning.js';
import { type LocalModel, loadable, RECORDS, readLocalModels, readRouter } from './local-models.js';
import type {
  CascadeCallOptions,
  CascadeOptions,
  CascadePipeline,
  LearningCascadeOptions,
  LearningCascadePipeline,
  RecordCascadeOptions,
  RecordCascadePipeline,
} from './options.js';
import { prepareRedactor, type Redactor } from './redactor.js';
import { type Answered, type CascadeCallbacks, RemoteDriver } from './remote-driver.js';
import { type PreparedRemote, prepareRemotes } from './remotes.js';
import { UsageLedger } from './usage-ledger.js';

/**
 * Loads a specialised model and puts remote ones behind it. At or above the confidence threshold
 * the local answer is the answer; below it the text goes to `remote`. A remote that cannot be
 * reached, is slow or gives an invalid answer leaves the local answer, flagged: that is never an error.
 *
 * @example
 * const classify = await cascade({
 *   local: { task: 'text-classification', model: '/models/spam' },
 *   remote: { baseURL: '/v1', model: 'any' },
 *   policy: { threshold: 0.9 },
 * });
 * const { output, route, confidence } = await classify('You have won …');
 *
 * @throws PilotLightError As `pipeline` does.
 */
export async function cascade(options: RecordCascadeOptions): Promise<RecordCascadePipeline>;
export async function cascade(options: LearningCascadeOptions): Promise<LearningCascadePipeline>;
export async function cascade(options: CascadeOptions): Promise<CascadePipeline>;
export async function cascade(options: CascadeOptions): Promise<CascadePipeline | RecordCascadePipeline> {
  const { signal, progress_callback, redactor, policy, calibration, learn } = options ?? {};
  const local = readLocalModels(options?.local, calibration);
  checkFinite('policy', policy ?? {});
  checkFinite('local', local.configs);
  const prepared = prepareRedactor(redactor, local.options);
  const remotes = prepareRemotes(options.remote);
  const router = readRouter(options.router);
  const learning = readLearn(learn, local.models[0]);
  const config: CascadeConfig = plain({
    remotes: remotes.map(({ config }) => config),
    ...(policy && { policy }),
    local: local.configs,
    ...(router && { router: router.config }),
    ...(learning && { learn: learning.config }),
    tab: crypto.getRandomValues(new Uint32Array(1))[0] as number,
  });
  const all = [...local.models, ...(router ? [router.model] : [])];
  const loading = { ...(signal && { signal }), ...(progress_callback && { progress_callback }), ...local.options };
  const handle = await Handle.load(
    { cascade: { ...loadable(all), config, ...(learning && { learning: learning.name }) } },
    loading,
  );
  handle.owns(() => prepared.release());
  const { task, model } = local.models[0];
  const name = [task, ...all.map(({ model }) => model)].join(' ');
  const asked = new Cascade(handle, task, remotes, prepared.find, policy, name, learning !== undefined).callable();
  return learning ? withLearning(asked, handle, model) : asked;
}

/** A loaded cascade. */
export class Cascade {
  #thresholds: number[];
  #calibrations: (Calibration | null)[];
  readonly #driver: RemoteDriver;
  readonly #ledger: UsageLedger;
  readonly #checks = new AbortController();

  /** @param name Names its usage records. @param learns Whether it learns from its checks. */
  constructor(
    readonly handle: Handle,
    readonly task: LocalModel['task'],
    remotes: PreparedRemote[],
    redactor: Redactor,
    policy: CascadeConfig['policy'] = {},
    name = '',
    readonly learns = false,
  ) {
    this.#thresholds = handle.info.thresholds ?? [];
    this.#calibrations = handle.info.calibrations ?? [];
    this.#ledger = new UsageLedger(name, (records) => handle.request('readUsage', { records }));
    this.#driver = new RemoteDriver(handle, remotes, redactor, (record) => this.#ledger.add(record), policy);
    handle.owns(async () => this.#checks.abort());
  }

  /** Itself as the function that the caller gets. */
  callable(): CascadePipeline {
    const ask = (texts: unknown, options?: CascadeCallOptions): Promise<unknown> => this.ask(texts, options);
    const explain = (envelope: Envelope): Promise<string> =>
      this.handle.call(undefined, () => this.handle.request('explain', { envelope }));
    return Object.defineProperties(callable(ask, this.handle, this.task), {
      threshold: {
        get: () => this.#thresholds.at(-1),
        set: (value) => this.#setThresholds([...this.#thresholds.slice(0, -1), value]),
        enumerable: true,
      },
      thresholds: {
        get: () => [...this.#thresholds],
        set: (values) => this.#setThresholds(values),
        enumerable: true,
      },
      calibrations: { get: () => [...this.#calibrations], enumerable: true },
      calibrate: {
        value: (examples: unknown, options?: CalibrateOptions) => this.#calibrate(examples, options),
        enumerable: true,
      },
      explain: { value: explain, enumerable: true },
      ledger: { value: this.#ledger, enumerable: true },
    }) as unknown as CascadePipeline;
  }

  async ask(texts: unknown, called: CascadeCallOptions | undefined): Promise<Envelope | Envelope[]> {
    const inputs = toTexts(texts);
    const { signal, callbacks, must_stay_local, provenance, given } = readCallOptions(called);
    const options = this.#engineOptions(given);
    return this.handle.call(signal, async () => {
      if (inputs.length === 0) return [];
      const asked = { options, must_stay_local, ...(provenance && { provenance }) };
      const envelopes = await this.#answer<Envelope>(inputs, asked, callbacks, signal);
      return Array.isArray(texts) ? envelopes : (envelopes[0] as Envelope);
    });
  }

  /** `given`, with those that are the task's as the engine takes them. */
  #engineOptions<T extends RunOptions>(given: T): T {
    return this.task === RECORDS ? { ...given, ...recordOptions(given) } : given;
  }

  #setThresholds(values: unknown): void {
    const count = this.#thresholds.length;
    if (!Array.isArray(values) || values.length !== count) {
      throw invalidInput(`The thresholds must be an array of ${count}, got ${describe(values)}.`);
    }
    for (const value of values) {
      if (typeof value === 'number' && value >= 0 && value <= 1) continue;
      throw invalidInput(`A threshold must be a number from 0 to 1, got ${String(value)}.`);
    }
    this.#thresholds = [...values];
  }

  async #calibrate(examples: unknown, options: CalibrateOptions | undefined): Promise<Calibrated> {
    const found = await calibrate(this.handle, examples, this.#engineOptions(options ?? {}), (texts, options, signal) =>
      this.#answer<Consultation>(texts, { options, must_stay_local: false, consult: true }, {}, signal),
    );
    const { calibration } = found;
    if (calibration !== undefined) {
      const tier = options?.tier ?? 0;
      this.#thresholds = this.#thresholds.map((old, i) => (i === tier ? calibration.threshold : old));
      this.#calibrations = this.#calibrations.map((old, i) => (i === tier ? calibration : old));
    }
    return found;
  }

  /** The results of `inputs`: envelopes, or consultations where those are asked for. */
  async #answer<T extends Answered>(
    inputs: string[],
    asked: Omit<DecideArgs, 'inputs' | 'thresholds'>,
    callbacks: CascadeCallbacks,
    signal: AbortSignal | undefined,
  ): Promise<T[]> {
    const question = { ...asked, thresholds: this.#thresholds };
    const { steps, checks, generation, record } = await this.handle.request('decide', { inputs, ...question }, signal);
    this.#ledger.add(record);
    const one = (index: number): DecideArgs => ({ inputs: inputs.slice(index, index + 1), ...question });
    // A question that fails takes the others with it: nothing is sent for an answer that nobody will see.
    const answered = await withController(signal, async (controller) => {
      const answers = steps.map((step, index) =>
        this.#driver.answer(step, one(index), generation, { ...callbacks, index }, controller.signal),
      );
      try {
        return (await Promise.all(answers)) as T[];
      } catch (thrown) {
        controller.abort(thrown);
        await Promise.allSettled(answers);
        throw thrown;
      }
    });
    // Nobody waits for a check, and its result goes into the ledger alone.
    const { request_callback } = callbacks;
    for (const { index, ...check } of checks) {
      const checked = { ...one(index), check: true };
      const watched = { ...(request_callback && { request_callback }), index };
      const answer = (): Promise<unknown> =>
        this.#driver.answer({ delegate: check }, checked, generation, watched, this.#checks.signal);
      // What is learnt from must not depend on how soon the cascade is disposed of, which then waits for it.
      (this.learns ? this.handle.call(undefined, answer) : answer()).catch(() => undefined);
    }
    return answered;
  }
}
