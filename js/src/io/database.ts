// IndexedDB as promises, none of which waits for ever.
import { within } from '../shared/abort.js';

/** A database that says nothing for this long is given up: another tab may be frozen in the middle of a transaction. */
export const SILENT_MS = 5_000;

/**
 * Opens a database; `create` makes its object stores where it is new.
 *
 * @param ms How long is waited for it.
 * @throws Error Where the page may have no database, or it does not answer.
 */
export async function openDatabase(
  name: string,
  create: (database: IDBDatabase) => void,
  ms = SILENT_MS,
): Promise<IDBDatabase> {
  // In a frame that may store nothing the property itself throws.
  const { indexedDB } = globalThis;
  if (indexedDB === undefined) throw new Error('this page has no database');
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => create(request.result);
  const abandon = (): void => {
    request.onsuccess = () => request.result.close();
  };
  return answered(settled(request), ms, abandon);
}

/** The result of `request`. */
export function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the database request failed without a reason'));
  });
}

/** Resolves when `transaction` is complete. */
export function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () =>
      reject(transaction.error ?? new Error('the database transaction was aborted'));
  });
}

/** The result of `step`; an error, and `abandon`, once it has said nothing for `ms`. */
export function answered<T>(step: Promise<T>, ms = SILENT_MS, abandon?: () => void): Promise<T> {
  const late = (): Error => {
    try {
      abandon?.();
    } catch {
      // It has ended at this moment.
    }
    return new Error(`the database gave no answer within ${ms} ms`);
  };
  return within(ms, undefined, () => step, late);
}
