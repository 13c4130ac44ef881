// Usage records: the entries of a usage ledger, in IndexedDB, shared by all tabs of this origin.
import { answered, completed, openDatabase, settled } from '../io/database.js';
import { messageOf } from '../shared/errors.js';

const DATABASE = 'pilot-light-ledger';
const STORE = 'records';
const INDEX = 'name';

/** A record, and the name of its ledger. */
interface Stored {
  name: string;
  record: string;
}

/**
 * A tab only ever adds records, each under a key of its own, so that no two can overwrite each other's and none needs a
 * lock. Where there is no database they last as long as the page.
 */
export class UsageRecords {
  readonly #memory: string[] = [];
  /** Why nothing is stored beyond this page, where it is not. */
  fault: string | undefined;

  /** @param name The name of the ledger. */
  constructor(readonly name: string) {}

  /** Adds `records`. */
  async add(records: string[]): Promise<void> {
    await this.#try(
      (store) => this.#put(store, records),
      () => {
        this.#memory.push(...records);
      },
    );
  }

  /** All records, with their keys. */
  async all(): Promise<{ keys: IDBValidKey[]; records: string[] }> {
    const stored = await this.#try(
      async (store) => {
        const values = settled(store.index(INDEX).getAll(this.name));
        const [keys, found] = await Promise.all([this.#keys(store), values]);
        // A value that is not a record is reported by its reader.
        return { keys, records: found.map((value: Partial<Stored> | undefined) => String(value?.record)) };
      },
      () => ({ keys: [] as IDBValidKey[], records: [] as string[] }),
    );
    return { keys: stored.keys, records: [...stored.records, ...this.#memory] };
  }

  /** Replaces the records with these keys by `record`; of two tabs that do so at the same time, one does nothing. */
  async replace(keys: IDBValidKey[], record: string): Promise<void> {
    await this.#try(
      async (store) => {
        const existing = new Set((await this.#keys(store)).map(String));
        if (!keys.every((key) => existing.has(String(key)))) return;
        for (const key of keys) store.delete(key);
        this.#put(store, [record]);
      },
      () => undefined,
    );
  }

  /** Removes all records. */
  async clear(): Promise<void> {
    this.#memory.length = 0;
    await this.#try(
      async (store) => {
        for (const key of await this.#keys(store)) store.delete(key);
      },
      () => undefined,
    );
  }

  #put(store: IDBObjectStore, records: string[]): void {
    for (const record of records) store.add({ name: this.name, record } satisfies Stored);
  }

  #keys(store: IDBObjectStore): Promise<IDBValidKey[]> {
    return settled(store.index(INDEX).getAllKeys(this.name));
  }

  /** Runs `work` in one transaction, which is done as a whole or not at all; `otherwise` where there is no database. */
  async #try<T>(work: (store: IDBObjectStore) => T | Promise<T>, otherwise: () => T): Promise<T> {
    try {
      const database = await openDatabase(DATABASE, (database) =>
        database.createObjectStore(STORE, { autoIncrement: true }).createIndex(INDEX, 'name'),
      );
      try {
        const transaction = database.transaction(STORE, 'readwrite');
        const all = Promise.all([work(transaction.objectStore(STORE)), completed(transaction)]);
        // What is counted in memory instead must not be stored later.
        const [result] = await answered(all, undefined, () => transaction.abort());
        return result;
      } finally {
        database.close();
      }
    } catch (thrown) {
      this.fault = messageOf(thrown);
      return otherwise();
    }
  }
}
