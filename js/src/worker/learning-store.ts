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
  /** How often all was cleared; absent in states of earlier versions. */
  cleared?: number;
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
  /** Whether all was cleared since this one read it before. */
  cleared: boolean;
}

/**
 * Every tab adds labels, each under a key of its own. One of them owns the state, and replaces it together with the
 * labels that it contains, in one transaction: no label is lost or counted twice, whenever a tab ends.
 */
export class LearningStore {
  /** How often all had been cleared when this one read it. */
  #cleared: number | undefined;

  /** @param owner Tells this one from the others. */
  constructor(
    readonly name: string,
    readonly owner: string,
  ) {}

  /** Becomes the owner of the state; what is stored. */
  own(): Promise<Stored> {
    return this.#read((transaction, state) => {
      transaction.objectStore(STATES).put({ bytes: undefined, ...state, owner: this.owner } satisfies State, this.name);
    });
  }

  /** What is stored. */
  read(): Promise<Stored> {
    return this.#read(() => undefined);
  }

  /** Adds labels; their keys, or `false` where all was cleared since this one read it: they are not added then. */
  add(labels: Uint8Array[]): Promise<IDBValidKey[] | false> {
    return this.#run(async (transaction) => {
      if (timesCleared(await this.#state(transaction)) !== this.#cleared) return false;
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
      const state = await this.#state(transaction);
      if (state?.owner !== this.owner) return false;
      transaction.objectStore(STATES).put({ ...state, bytes } satisfies State, this.name);
      for (const key of keys) transaction.objectStore(LABELS).delete(key);
      return true;
    });
  }

  /** Removes all of it, and becomes its owner. */
  async clear(): Promise<void> {
    this.#cleared = await this.#run(async (transaction) => {
      const store = transaction.objectStore(LABELS);
      const cleared = timesCleared(await this.#state(transaction)) + 1;
      for (const key of await settled(store.index(INDEX).getAllKeys(this.name))) store.delete(key);
      transaction.objectStore(STATES).put({ owner: this.owner, bytes: undefined, cleared } satisfies State, this.name);
      return cleared;
    });
  }

  /** What is stored, and what `change` does with it in the same transaction. */
  async #read(change: (transaction: IDBTransaction, state: State | undefined) => void): Promise<Stored> {
    const { times, ...stored } = await this.#run(async (transaction) => {
      const index = transaction.objectStore(LABELS).index(INDEX);
      const [state, keys, labels] = await Promise.all([
        this.#state(transaction),
        settled(index.getAllKeys(this.name)),
        settled(index.getAll(this.name)) as Promise<Label[]>,
      ]);
      change(transaction, state);
      return { times: timesCleared(state), bytes: state?.bytes, keys, labels: labels.map(({ bytes }) => bytes) };
    });
    const cleared = this.#cleared !== undefined && this.#cleared !== times;
    this.#cleared = times;
    return { ...stored, cleared };
  }

  #state(transaction: IDBTransaction): Promise<State | undefined> {
    return settled(transaction.objectStore(STATES).get(this.name)) as Promise<State | undefined>;
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

function timesCleared(state: State | undefined): number {
  return state?.cleared ?? 0;
}
