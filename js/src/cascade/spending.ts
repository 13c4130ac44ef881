// Spending of all tabs of this origin: a log for each remote model, in IndexedDB, under a lock.
import { answered, completed, openDatabase, SILENT_MS, settled } from '../io/database.js';
import { withController } from '../shared/abort.js';
import { messageOf } from '../shared/errors.js';

/** What was spent cannot be read or stored. */
export class SpendingUnknown extends Error {}

const LOCK = 'pilot-light/spending';
const DATABASE = 'pilot-light';
const STORE = 'spending';
/** More than any other tab needs the lock for; a tab that was frozen while it held it is not waited for. */
const LOCK_MS = 10_000;

/** The logs are read, changed and written by one tab at a time, so that no two can spend the same last cent. */
export class Spending {
  /**
   * @param names The keys of the logs, one for each remote model.
   * @param deadlineMs How long a question may take, and so may wait for the lock or for an answer of the database.
   */
  constructor(
    readonly names: string[],
    readonly deadlineMs: number,
  ) {}

  /**
   * The result of `work`, which gets the logs as they are (`null` for one that does not exist) and returns those to be
   * stored.
   *
   * @throws SpendingUnknown Where they cannot be read, or not be stored afterwards.
   */
  async exclusively<T extends { spend_logs?: string[] }>(work: (logs: (string | null)[]) => Promise<T>): Promise<T> {
    if (globalThis.navigator?.locks === undefined) throw unknown('this page has no locks, which need https');
    const silentMs = Math.min(SILENT_MS, this.deadlineMs);
    let failed: unknown;
    /** Notes why `step` failed: what the lock throws is only the outcome of that. */
    const noting = async <R>(step: Promise<R>, reason: (thrown: unknown) => unknown): Promise<R> => {
      try {
        return await step;
      } catch (thrown) {
        failed = reason(thrown);
        throw failed;
      }
    };
    const job = async (): Promise<T> => {
      const create = (database: IDBDatabase): unknown => database.createObjectStore(STORE);
      const database = await noting(openDatabase(DATABASE, create, silentMs), unknown);
      try {
        const logs = await noting(answered(this.#read(database), silentMs), unknown);
        const result = await noting(work(logs), (thrown) => thrown);
        await noting(answered(this.#write(database, result.spend_logs ?? []), silentMs), unknown);
        return result;
      } finally {
        database.close();
      }
    };
    return withController(undefined, async (controller) => {
      const timer = setTimeout(() => controller.abort(), Math.min(LOCK_MS, this.deadlineMs));
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

  async #write(database: IDBDatabase, logs: string[]): Promise<void> {
    const transaction = database.transaction(STORE, 'readwrite');
    const store = transaction.objectStore(STORE);
    for (const [i, json] of logs.entries()) store.put(json, this.names[i]);
    await completed(transaction);
  }
}

function unknown(thrown: unknown): SpendingUnknown {
  return new SpendingUnknown(`What was spent is not known: ${messageOf(thrown)}`);
}
