// What a cascade has learnt, and what is stored of it: they are brought together, and no label is lost or counted
// twice.
import { isTrap, messageOf } from '../shared/errors.js';
import type { Cascade } from '../types.js';
import { trapped } from './builds.js';
import type { Leadership } from './leadership.js';
import type { LearningStore, Stored } from './learning-store.js';

/** Labels that could not be stored are kept for another attempt, but not more. */
const MOST_UNSTORED = 1000;

/** Its steps must run one after another. */
export class LearningSync {
  /** Why what was learnt is not stored, where it is not. */
  fault: string | undefined;
  /** Whether there is something to store. */
  dirty = false;
  /** The bytes of the state that was stored last. */
  bytes = 0;
  /** What is stored cannot be read: it stays as it is until it is cleared, and this one learns for itself. */
  #alone = false;
  /** The keys of stored labels that were learnt, and are not in the stored state. */
  readonly #learnt = new Set<IDBValidKey>();
  /** Labels that are to be stored. */
  readonly #unstored: Uint8Array[] = [];

  constructor(
    readonly cascade: Cascade,
    readonly store: LearningStore,
    readonly leadership: Leadership,
  ) {}

  /** Whether this one learns. */
  get learns(): boolean {
    return this.leadership.leads || this.#alone;
  }

  /**
   * Begins with what is stored. One that learns for itself keeps what it has learnt until there is something that it
   * can use. `exclusive` runs what needs the local model.
   */
  async begin(leads: boolean, exclusive: <T>(work: () => Promise<T>) => Promise<T>): Promise<void> {
    this.#learnt.clear();
    const stored = await this.#noting(() => (leads ? this.store.own() : this.store.read()));
    if (stored?.cleared) {
      // Neither the labels that were not handed over nor those that are still to come are of what begins now.
      await exclusive(() => this.learn(undefined, leads));
      this.#unstored.length = 0;
      this.#alone = false;
    }
    const alone = stored === undefined;
    if (alone && this.#alone) return;
    let differs: boolean;
    try {
      differs = await exclusive(() => this.learn(stored?.bytes, leads || alone));
    } catch (thrown) {
      if (isTrap(thrown) || stored?.bytes === undefined) throw thrown;
      this.fault = messageOf(thrown);
      if (this.#alone) return;
      this.#alone = true;
      await exclusive(() => this.learn(undefined, true));
      return;
    }
    this.#alone = alone;
    if (!alone) this.fault = undefined;
    if (!leads) {
      await this.storeLabels();
      return;
    }
    await this.#learnLabels(stored);
    // No state has those that could not be stored.
    for (const label of this.#unstored) await this.#give(label);
    if (!differs) return;
    // What must not stay in the database, such as texts that are no longer kept, goes at once.
    this.dirty = true;
    await this.save();
  }

  /** Goes on from a state, or begins anew; whether it goes on from something else than that state. */
  learn(bytes: Uint8Array | undefined, leads: boolean): Promise<boolean> {
    return trapped(() => this.cascade.learn(bytes, leads));
  }

  /** Learns the labels that others have stored. */
  async hearLabels(): Promise<void> {
    await this.#learnLabels(await this.#noting(() => this.store.read()));
  }

  /** Takes the labels that came to this one; whether there are any. */
  take(): boolean {
    const labels = this.cascade.takeLabels();
    this.#unstored.push(...labels);
    this.#unstored.splice(0, this.#unstored.length - MOST_UNSTORED);
    return labels.length > 0;
  }

  /** Stores the labels that came to this one. */
  async storeLabels(): Promise<void> {
    const labels = [...this.#unstored];
    if (labels.length === 0 || this.#alone) return;
    const keys = await this.#noting(() => this.store.add(labels));
    if (keys === undefined) return;
    this.#unstored.splice(0, labels.length);
    if (keys === false) return;
    if (this.leadership.leads) for (const key of keys) this.#learnt.add(key);
    this.leadership.say('labels');
  }

  /** Stores the state, in place of the labels that it contains. */
  async save(): Promise<void> {
    if (this.#alone || !this.dirty) return;
    await this.storeLabels();
    this.dirty = false;
    const [keys, unstored] = [[...this.#learnt], this.#unstored.length];
    const bytes = this.cascade.learningState();
    this.bytes = bytes.length;
    const saved = await this.#noting(() => this.store.save(bytes, keys));
    if (saved === false) this.leadership.lost();
    if (!saved) {
      this.dirty = true;
      return;
    }
    for (const key of keys) this.#learnt.delete(key);
    // Those that could not be stored by themselves are in the state.
    this.#unstored.splice(0, unstored);
    this.leadership.say('state');
  }

  /** Forgets all, here and in the database. */
  async clear(): Promise<void> {
    await this.learn(undefined, true);
    this.#unstored.length = 0;
    this.#learnt.clear();
    this.#alone = false;
    const cleared = await this.#noting(async () => {
      await this.store.clear();
      return true;
    });
    this.#alone = cleared === undefined;
    this.leadership.say('state');
  }

  /** Learns those of the stored labels that it has not learnt. */
  async #learnLabels(stored: Stored | undefined): Promise<void> {
    for (const [i, key] of (stored?.keys ?? []).entries()) {
      if (!this.#learnt.has(key) && (await this.#give(stored?.labels[i] as Uint8Array))) this.#learnt.add(key);
    }
  }

  /** Learns a label; whether it could: one of another version or encoder stays where it is. */
  async #give(label: Uint8Array): Promise<boolean> {
    try {
      await trapped(async () => this.cascade.giveLabel(label));
      this.dirty = true;
      return true;
    } catch (thrown) {
      if (isTrap(thrown)) throw thrown;
      return false;
    }
  }

  /** The result of a step of the database; undefined where it fails, which the report says. */
  async #noting<T>(step: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await step();
      if (!this.#alone) this.fault = undefined;
      return result;
    } catch (thrown) {
      this.fault = messageOf(thrown);
      return undefined;
    }
  }
}
