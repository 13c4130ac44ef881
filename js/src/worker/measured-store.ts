// What was measured of models on adapters, for later pages.
import { answered, completed, openDatabase, settled } from '../io/database.js';

const DATABASE = 'pilot-light-devices';
const STORE = 'measured';

/** How runs are shared between the devices. */
export interface Placement {
  /** Runs of at most so many elements stay on the CPU. */
  cpuElements: number;
  /** What was measured, for the device report. */
  reason: string;
}

/** What was measured under `key` by an earlier page; storage that does not work costs nothing but a measurement. */
export async function remembered(key: string): Promise<Placement | undefined> {
  return stored('readonly', (store) => settled<Placement | undefined>(store.get(key)));
}

export async function remember(key: string, placement: Placement): Promise<void> {
  await stored('readwrite', async (store) => {
    store.put(placement, key);
    await completed(store.transaction);
  });
}

async function stored<T>(mode: IDBTransactionMode, use: (store: IDBObjectStore) => Promise<T>): Promise<T | undefined> {
  try {
    const database = await openDatabase(DATABASE, (database) => database.createObjectStore(STORE));
    try {
      return await answered(use(database.transaction(STORE, mode).objectStore(STORE)));
    } finally {
      database.close();
    }
  } catch {
    return undefined;
  }
}
