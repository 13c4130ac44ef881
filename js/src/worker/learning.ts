// Learning in an engine: what a cascade has learnt, shared with the others of this origin that learn the same.
import type { LearningStatus } from '../protocol/learning.js';
import { invalidInput, isTrap } from '../shared/errors.js';
import { JobQueue } from '../shared/job-queue.js';
import type { Cascade } from '../types.js';
import { trapped } from './builds.js';
import type { Engine } from './engine.js';
import { Leadership } from './leadership.js';
import { LearningStore } from './learning-store.js';
import { LearningSync } from './learning-sync.js';
import { Training } from './training.js';

/**
 * Milliseconds after a change before the state is stored; a large one more rarely, by its bytes. Labels are stored at
 * once.
 */
const SAVE_MS = 2_000;
const BYTES_PER_MS = 256;

/**
 * One of those that learn the same leads: it learns all labels, trains, tests and stores. The others decide by what it
 * has stored, and store their labels for it. Steps that touch the database run one after another.
 */
export class Learning {
  readonly #leadership: Leadership;
  readonly #sync: LearningSync;
  readonly #training: Training;
  readonly #jobs = new JobQueue();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  private constructor(
    readonly engine: Engine,
    readonly cascade: Cascade,
    name: string,
  ) {
    const owner = Array.from(crypto.getRandomValues(new Uint32Array(4))).join(' ');
    this.#leadership = new Leadership(`pilot-light/learning/${name}`, {
      changed: (leads) => this.#job(() => this.#reload(leads)),
      heard: (word) => this.#job(() => this.#hear(word)),
    });
    this.#sync = new LearningSync(cascade, new LearningStore(name, owner), this.#leadership);
    const wanted = (): boolean => !this.#closed && this.#sync.learns;
    this.#training = new Training(engine, (operations) => cascade.train(operations), wanted);
  }

  /**
   * What `cascade` learns under this name, from what is stored; for the job that loads it. It frees the cascade where
   * it throws.
   */
  static async begin(engine: Engine, cascade: Cascade, name: string): Promise<Learning> {
    const learning = new Learning(engine, cascade, name);
    try {
      await learning.#sync.begin(await learning.#leadership.begin(), (work) => work());
    } catch (thrown) {
      learning.abandon();
      if (!isTrap(thrown)) cascade.free();
      throw thrown;
    }
    learning.#goOn();
    return learning;
  }

  /** What a question came to may be a label; it is called after each. */
  answered(): void {
    this.#training.asked();
    if (this.#sync.take()) void this.#job(() => this.#sync.storeLabels());
    this.#sync.dirty ||= this.#sync.learns;
    this.#goOn();
  }

  report(): LearningStatus {
    const { fault } = this.#sync;
    const { leads } = this.#leadership;
    const report = this.cascade.learningReport();
    return { ...report, leads, persisted: fault === undefined, ...(fault !== undefined && { fault }) };
  }

  /** All that was learnt, as a file. */
  export(): Promise<Uint8Array> {
    return this.#leading(async () => this.cascade.learningState());
  }

  /** Adds what is in a file; where nothing was learnt yet, its heads and their evidence as well. */
  import(bytes: Uint8Array): Promise<void> {
    return this.#changing(async () => {
      const { counters, examples } = this.cascade.learningReport();
      if (counters.labels === 0 && examples.every((count) => count === 0)) await this.#sync.learn(bytes, true);
      else await this.cascade.joinLearning(bytes);
    });
  }

  rollback(): Promise<void> {
    return this.#changing(async () => this.cascade.rollBack());
  }

  /** Forgets all, in all tabs. */
  clear(): Promise<void> {
    return this.#leading(() => this.#sync.clear());
  }

  /** Stores what is not stored, and lets another one lead. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#jobs.run(() => (this.#leadership.leads ? this.#sync.save() : this.#sync.storeLabels()));
    this.#leadership.end();
  }

  /** The engine is dead: another one may lead. */
  abandon(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#leadership.end();
  }

  /** Runs `work`, and stores what it has changed. */
  #changing(work: () => Promise<void>): Promise<void> {
    return this.#leading(async () => {
      await work();
      this.#sync.dirty = true;
      await this.#sync.save();
    });
  }

  /** Runs `work` where this one leads, which it does from now on. */
  #leading<T>(work: () => Promise<T>): Promise<T> {
    return this.#jobs.run(async () => {
      if (this.#closed) throw invalidInput('This model was disposed of.');
      if (!this.#leadership.leads) {
        await this.#leadership.take();
        await this.#begin(true);
      }
      const result = await this.engine.exclusive(() => trapped(work));
      this.#goOn();
      return result;
    });
  }

  #job(work: () => Promise<void>): Promise<void> {
    const tried = async (): Promise<void> => {
      if (!this.#closed && this.engine.dead === undefined) await work();
    };
    // Nobody waits for it; what the database refuses is noted, and a dead engine is noticed by the next question.
    return this.#jobs.run(tried).catch(() => undefined);
  }

  async #begin(leads: boolean): Promise<void> {
    await this.#sync.begin(leads, (work) => this.engine.exclusive(work));
    this.#goOn();
  }

  /** Leads or follows from now on. */
  async #reload(leads: boolean): Promise<void> {
    if (leads === this.#leadership.leads) await this.#begin(leads);
  }

  async #hear(word: 'labels' | 'state'): Promise<void> {
    const { leads } = this.#leadership;
    if (leads && word === 'labels') await this.#sync.hearLabels();
    if (!leads && word === 'state') await this.#begin(false);
    this.#goOn();
  }

  /** Trains and stores, where there is anything to train or to store. */
  #goOn(): void {
    if (this.#closed || !this.#sync.learns) return;
    this.#training.start();
    if (!this.#sync.dirty) return;
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        void this.#job(() => this.#sync.save());
      },
      SAVE_MS + this.#sync.bytes / BYTES_PER_MS,
    );
  }
}
