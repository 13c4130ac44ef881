const DATABASE = 'pilot-light-ledger';
const STORE = 'records';
const INDEX = 'name';

/** A record, and whose it is. */
interface Kept {
  name: string;
  record: string;
}

/**
 * The records of a ledger, in IndexedDB, for all tabs of this origin. A tab only ever adds records, each under a key of
 * its own, so that no two can overwrite each other's and none needs a lock. Where there is no database they are kept as
 * long as the page is.
 */
export class Records {
  readonly #memory: string[] = [];
  /** Why nothing is kept beyond this page, where it is not. */
  fault: string | undefined;

  /** @param name Whose records these are. */
  constructor(readonly name: string) {}

  /** Adds `records`. */
  async add(records: string[]): Promise<void> {
    await this.#try(
      (store) => {
        for (const record of records) store.add({ name: this.name, record } satisfies Kept);
      },
      () => void this.#memory.push(...records),
    );
  }

  /** All that there are, with their keys. */
  async all(): Promise<{ keys: IDBValidKey[]; records: string[] }> {
    const kept = await this.#try(
      async (store) => {
        const found = store.index(INDEX);
        const [keys, values] = await Promise.all([
          settled(found.getAllKeys(this.name)),
          settled(found.getAll(this.name)),
        ]);
        // What is no record is told by whoever reads it.
        return { keys, records: values.map((value: Partial<Kept> | undefined) => String(value?.record)) };
      },
      () => ({ keys: [] as IDBValidKey[], records: [] as string[] }),
    );
    return { keys: kept.keys, records: [...kept.records, ...this.#memory] };
  }

  /** Puts `record` in the place of those with these keys; of two tabs that do so at the same time one does nothing. */
  async replace(keys: IDBValidKey[], record: string): Promise<void> {
    await this.#try(
      async (store) => {
        const there = new Set((await settled(store.index(INDEX).getAllKeys(this.name))).map(String));
        if (!keys.every((key) => there.has(String(key)))) return;
        for (const key of keys) store.delete(key);
        store.add({ name: this.name, record } satisfies Kept);
      },
      () => undefined,
    );
  }

  /** Removes all of them. */
  async clear(): Promise<void> {
    this.#memory.length = 0;
    await this.#try(
      async (store) => {
        for (const key of await settled(store.index(INDEX).getAllKeys(this.name))) store.delete(key);
      },
      () => undefined,
    );
  }

  /** `work` in one transaction, which is done as a whole or not at all; `otherwise` where there is no database. */
  async #try<T>(work: (store: IDBObjectStore) => T | Promise<T>, otherwise: () => T): Promise<T> {
    try {
      const database = await opened();
      try {
        const transaction = database.transaction(STORE, 'readwrite');
        const over = new Promise<void>((resolve, reject) => {
          transaction.oncomplete = () => resolve();
          transaction.onerror = transaction.onabort = () =>
            reject(transaction.error ?? new Error('the database gave up'));
        });
        const [result] = await Promise.all([work(transaction.objectStore(STORE)), over]);
        return result;
      } finally {
        database.close();
      }
    } catch (thrown) {
      this.fault = thrown instanceof Error ? thrown.message : String(thrown);
      return otherwise();
    }
  }
}

async function opened(): Promise<IDBDatabase> {
  if (globalThis.indexedDB === undefined) throw new Error('this page has no database');
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () =>
    request.result.createObjectStore(STORE, { autoIncrement: true }).createIndex(INDEX, 'name');
  return settled(request);
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the database gave no reason'));
  });
}
