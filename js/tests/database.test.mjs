// Storage that throws or never answers: what was spent is not known, and the ledger lives as long as the page.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { Spending, SpendingUnknown } from '../modules/cascade/spending.js';
import { UsageLedger } from '../modules/cascade/usage-ledger.js';

/** Web Locks, as far as they are used: one holder after the other. */
function fakeLocks() {
  let last = Promise.resolve();
  const request = (_name, { signal } = {}, work) => {
    const result = last.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    last = result.catch(() => undefined);
    return result;
  };
  Object.defineProperty(globalThis, 'navigator', { value: { locks: { request } }, configurable: true });
}

/** IndexedDB with one store; what `silent` names never answers. */
function fakeDatabase(silent) {
  const values = new Map();
  const request = (name, result) => {
    const made = { result };
    if (name !== silent) setImmediate(() => made.onsuccess?.());
    return made;
  };
  const log = [];
  const database = {
    close: () => log.push('closed'),
    transaction(_store, mode = 'readonly') {
      const made = { abort: () => log.push('aborted') };
      if (mode !== silent) setImmediate(() => setImmediate(() => made.oncomplete?.()));
      made.objectStore = () => ({
        get: (key) => request('get', values.get(key)),
        put: (value, key) => values.set(key, value),
        add: () => undefined,
        index: () => ({ getAll: () => request('getAll', []), getAllKeys: () => request('getAllKeys', []) }),
      });
      return made;
    },
  };
  const open = () => request('open', database);
  Object.defineProperty(globalThis, 'indexedDB', { value: { open }, configurable: true });
  return log;
}

const refused = () =>
  Object.defineProperty(globalThis, 'indexedDB', {
    get() {
      throw new DOMException('access is denied', 'SecurityError');
    },
    configurable: true,
  });
const eventLoop = async (turns = 10) => {
  for (let i = 0; i < turns; i += 1) await new Promise(setImmediate);
};
const work = async () => ({ spend_logs: ['spent'] });

afterEach(() => delete globalThis.indexedDB);

test('spending is read and stored where the database answers', async () => {
  fakeLocks();
  const log = fakeDatabase();
  const spending = new Spending(['remote'], 45_000);
  await spending.exclusively(work);
  const logs = [];
  await spending.exclusively(async (found) => (logs.push(...found), {}));
  assert.deepEqual([logs, log], [['spent'], ['closed', 'closed']]);
});

test('a database whose property throws leaves the spending unknown', async () => {
  fakeLocks();
  refused();
  await assert.rejects(
    new Spending(['remote'], 45_000).exclusively(() => assert.fail('nothing is admitted')),
    (thrown) => thrown instanceof SpendingUnknown && /access is denied/.test(thrown.message),
  );
});

for (const silent of ['open', 'get', 'readwrite']) {
  test(`a database that is silent (${silent}) is waited for no longer than the question may take`, async (t) => {
    fakeLocks();
    fakeDatabase(silent);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    for (const [deadline, waits] of [
      [1_000, 1_000],
      [45_000, 5_000],
    ]) {
      const asking = new Spending(['remote'], deadline).exclusively(work);
      const ended = assert.rejects(
        asking,
        (thrown) => thrown instanceof SpendingUnknown && thrown.message.includes(`no answer within ${waits} ms`),
      );
      await eventLoop();
      t.mock.timers.tick(waits);
      await ended;
    }
    // The lock is free again.
    fakeDatabase();
    await new Spending(['remote'], 45_000).exclusively(work);
  });
}

test('a database that opens too late is closed', async (t) => {
  fakeLocks();
  const made = { result: { close: () => closed.push('closed') } };
  const closed = [];
  Object.defineProperty(globalThis, 'indexedDB', { value: { open: () => made }, configurable: true });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const ended = assert.rejects(new Spending(['remote'], 1_000).exclusively(work), SpendingUnknown);
  await eventLoop();
  t.mock.timers.tick(1_000);
  await ended;
  made.onsuccess();
  assert.deepEqual(closed, ['closed']);
});

const read = async (records) => ({ summary: { records }, merged: '', invalid_records: [] });

test('the ledger counts in memory where the property of the database throws', async () => {
  refused();
  const ledger = new UsageLedger('name', read);
  ledger.add('a');
  const { records, persisted, fault } = await ledger.summary();
  assert.deepEqual([records, persisted], [['a'], false]);
  assert.match(fault, /access is denied/);
});

for (const silent of ['open', 'readwrite']) {
  test(`the ledger counts in memory where the database is silent (${silent})`, async (t) => {
    const log = fakeDatabase(silent);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const ledger = new UsageLedger('name', read);
    ledger.add('a');
    await eventLoop();
    t.mock.timers.tick(5_000);
    await eventLoop();
    const summing = ledger.summary();
    await eventLoop();
    t.mock.timers.tick(5_000);
    const { records, persisted, fault } = await summing;
    assert.deepEqual([records, persisted], [['a'], false]);
    assert.match(fault, /no answer within 5000 ms/);
    if (silent === 'readwrite') assert.ok(log.includes('aborted'), 'what is counted in memory is not stored later');
  });
}
