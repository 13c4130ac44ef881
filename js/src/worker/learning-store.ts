// Stored learning: a state for each name, and the labels that are not in it yet, in IndexedDB.
import { answered, completed, openDatabase, settled } from '../io/database.js';

const DATABASE = 'pilot-light-learning';
const STATES = 'states';
const LABELS = 'labels';
const INDEX = 'name';

/** All that was learnt under a name. */
interface State {
  /** Who alone may write it. */
  owner: string;
  bytes: Uint8Array | undefined;
}

/** What one remote answer taught. */
interface Label {
  name: string;
  bytes: Uint8Array;
}

/** What is stored under a name. */
export interface Stored {
  bytes: Uint8Array | undefined;
  keys: IDBValidKey[];
  labels: Uint8Array[];
}

/**
 * Every tab adds labels, each under a key of its own. One of them owns the state, and replaces it together with the
 * labels that it contains, in one transaction: no label is lost or counted twice, whenever a tab ends.
 */
export class LearningStore {
  /** @param owner Tells this one from the others. */
  constructor(
    readonly name: string,
    readonly owner: string,
  ) {}

  /** Becomes the owner of the state; what is stored. */
  own(): Promise<Stored> {
    return this.#run(async (transaction) => {
      const states = transaction.objectStore(STATES);
      const stored = await this.#stored(transaction);
      states.put({ owner: this.owner, bytes: stored.bytes } satisfies State, this.name);
      return stored;
    });
  }

  /** What is stored. */
  read(): Promise<Stored> {
    return this.#run((transaction) => this.#stored(transaction));
  }

  /** Adds labels; their keys. */
  add(labels: Uint8Array[]): Promise<IDBValidKey[]> {
    return this.#run((transaction) => {
      const store = transaction.objectStore(LABELS);
      return Promise.all(labels.map((bytes) => settled(store.add({ name: this.name, bytes } satisfies Label))));
    });
  }

  /**
   * Replaces the state and the labels with these keys, which are in it; `false` where another one owns the state by
   * now.
   */
  save(bytes: Uint8Array, keys: IDBValidKey[]): Promise<boolean> {
    return this.#run(async (transaction) => {
      const states = transaction.objectStore(STATES);
      const state = (await settled(states.get(this.name))) as State | undefined;
      if (state?.owner !== this.owner) return false;
      states.put({ owner: this.owner, bytes } satisfies State, this.name);
      for (const key of keys) transaction.objectStore(LABELS).delete(key);
      return true;
    });
  }

  /** Removes all of it, and becomes its owner. */
  clear(): Promise<void> {
    return this.#run(async (transaction) => {
      const store = transaction.objectStore(LABELS);
      for (const key of await settled(store.index(INDEX).getAllKeys(this.name))) store.delete(key);
      transaction.objectStore(STATES).put({ owner: this.owner, bytes: undefined } satisfies State, this.name);
    });
  }

  async #stored(transaction: IDBTransaction): Promise<Stored> {
    const index = transaction.objectStore(LABELS).index(INDEX);
    const [state, keys, labels] = await Promise.all([
      settled(transaction.objectStore(STATES).get(this.name)) as Promise<State | undefined>,
      settled(index.getAllKeys(this.name)),
      settled(index.getAll(this.name)) as Promise<Label[]>,
    ]);
    return { bytes: state?.bytes, keys, labels: labels.map(({ bytes }) => bytes) };
  }

  /** Runs `work` in one transaction, which is done as a whole or not at all. */
  async #run<T>(work: (transaction: IDBTransaction) => Promise<T>): Promise<T> {
    const database = await openDatabase(DATABASE, (database) => {
      database.createObjectStore(STATES);
      database.createObjectStore(LABELS, { autoIncrement: true }).createIndex(INDEX, 'name');
    });
    try {
      const transaction = database.transaction([STATES, LABELS], 'readwrite');
      const all = Promise.all([work(transaction), completed(transaction)]);
      const [result] = await answered(all, undefined, () => transaction.abort());
      return result;
    } finally {
      database.close();
    }
  }
}
