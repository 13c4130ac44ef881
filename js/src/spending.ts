import { withController } from './abort.js';
import { messageOf } from './errors.js';

/** What was spent cannot be looked up or kept. */
export class SpendingUnknown extends Error {}

const LOCK = 'pilot-light/spending';
const DATABASE = 'pilot-light';
const STORE = 'spending';
/** More than any other tab needs the lock for; one that was frozen while it had it is not waited for. */
const LOCK_MS = 10_000;

/**
 * What all tabs of this origin have spent, a ledger for each general model, in IndexedDB. It is read, changed and
 * written by one tab at a time, so that no two can spend the same last cent.
 */
export class Spending {
  /** @param names The ledgers, by the general models that they belong to. */
  constructor(readonly names: string[]) {}

  /**
   * What `work` gives, which gets the ledgers as they are (`null` for one that is not there) and gives what is to be
   * kept.
   *
   * @throws SpendingUnknown Where they cannot be read, or not be kept afterwards.
   */
  async exclusively<T extends { ledgers?: string[] }>(work: (ledgers: (string | null)[]) => Promise<T>): Promise<T> {
    let failed: unknown;
    const unknown = (thrown: unknown): SpendingUnknown =>
      new SpendingUnknown(`What was spent is not known: ${messageOf(thrown)}`);
    if (globalThis.navigator?.locks === undefined || globalThis.indexedDB === undefined) {
      throw unknown('this page has no locks or no database, which need https');
    }
    const noting = async <R>(step: Promise<R>, kind: (thrown: unknown) => unknown): Promise<R> => {
      try {
        return await step;
      } catch (thrown) {
        failed = kind(thrown);
        throw failed;
      }
    };
    const job = async (): Promise<T> => {
      const database = await noting(opened(), unknown);
      try {
        const ledgers = await noting(this.#read(database), unknown);
        const result = await noting(work(ledgers), (thrown) => thrown);
        await noting(this.#write(database, result.ledgers ?? []), unknown);
        return result;
      } finally {
        database.close();
      }
    };
    return withController(undefined, async (controller) => {
      const timer = setTimeout(() => controller.abort(), LOCK_MS);
      try {
        return await (navigator.locks.request(LOCK, { signal: controller.signal }, job) as Promise<T>);
      } catch (thrown) {
        throw failed ?? unknown(thrown);
      } finally {
        clearTimeout(timer);
      }
    });
  }

  async #read(database: IDBDatabase): Promise<(string | null)[]> {
    const store = database.transaction(STORE).objectStore(STORE);
    const found = await Promise.all(this.names.map((name) => settled(store.get(name))));
    return found.map((json) => (typeof json === 'string' ? json : null));
  }

  async #write(database: IDBDatabase, ledgers: string[]): Promise<void> {
    const transaction = database.transaction(STORE, 'readwrite');
    const store = transaction.objectStore(STORE);
    for (const [i, json] of ledgers.entries()) store.put(json, this.names[i]);
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error('the database gave up'));
    });
  }
}

function opened(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return settled(request);
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the database gave no reason'));
  });
}
