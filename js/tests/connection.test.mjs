// The connection to an engine worker, over a worker whose answers the tests choose.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WorkerConnection } from '../modules/page/connection.js';
import { breathe } from '../modules/shared/abort.js';
import { PilotLightError, toFacts } from '../modules/shared/errors.js';

function connect() {
  const worker = {
    posted: [],
    terminated: false,
    postMessage(message) {
      this.posted.push(structuredClone(message));
    },
    terminate() {
      this.terminated = true;
    },
    answer(message) {
      this.onmessage({ data: structuredClone(message) });
    },
  };
  return { worker, connection: new WorkerConnection(() => worker) };
}
const ARGS = { key: 1, inputs: ['a'], options: {} };

test('answers go to their requests, in any order', async () => {
  const { worker, connection } = connect();
  const first = connection.request('run', ARGS);
  const second = connection.request('run', ARGS);
  const [a, b] = worker.posted.map(({ id }) => id);
  worker.answer({ id: b, result: ['b'] });
  worker.answer({ id: a, error: toFacts(new PilotLightError('invalid-input', 'no')) });
  assert.deepEqual(await second, ['b']);
  await assert.rejects(first, { kind: 'invalid-input' });
  assert.equal(connection.dead, undefined);
});

test('an abort is posted to the worker, and its late answer is ignored', async () => {
  const { worker, connection } = connect();
  const controller = new AbortController();
  const running = connection.request('run', ARGS, { signal: controller.signal });
  controller.abort();
  await assert.rejects(running, { name: 'AbortError' });
  while (worker.posted.length < 2) await new Promise(setImmediate);
  const [{ id }, abort] = worker.posted;
  assert.deepEqual(abort, { abort: id });
  worker.answer({ id, result: [] });
  await assert.rejects(connection.request('run', ARGS, { signal: AbortSignal.abort() }), { kind: 'cancelled' });
  assert.equal(worker.posted.length, 2);
});

test('a worker that is ended after an abort is not told of it', async () => {
  const { worker, connection } = connect();
  const controller = new AbortController();
  const loading = connection.request('load', { key: 1 }, { signal: controller.signal });
  controller.abort();
  await assert.rejects(loading, { kind: 'cancelled' });
  connection.close();
  await breathe();
  await breathe();
  assert.deepEqual([worker.terminated, worker.posted.length], [true, 1]);
});

test('a death rejects everything that is pending, and every later request', async () => {
  const deaths = {
    answer: (worker) => {
      const facts = toFacts(new PilotLightError('device-lost', 'gone', { retryable: true }));
      worker.answer({ id: 99, error: facts, dead: facts });
    },
    error: (worker) => worker.onerror({ preventDefault: () => undefined, message: 'unreachable' }),
    messageerror: (worker) => worker.onmessageerror(),
  };
  for (const [name, die] of Object.entries(deaths)) {
    const { worker, connection } = connect();
    const pending = [connection.request('run', ARGS), connection.request('run', ARGS)];
    die(worker);
    for (const { reason } of await Promise.allSettled(pending)) assert.equal(reason, connection.dead, name);
    await assert.rejects(connection.request('run', ARGS), connection.dead);
    assert.equal(worker.terminated, true);
  }
});

test('a worker that cannot start says what to do', async () => {
  const { worker, connection } = connect();
  const starting = connection.request('start', { key: 0 });
  worker.onerror({ preventDefault: () => undefined, message: '' });
  await assert.rejects(starting, { kind: 'backend-unavailable' });
  assert.throws(() => new WorkerConnection(), { kind: 'backend-unavailable', message: /worker: false/ });
});

/** As Vue and Svelte wrap arrays and objects, at any depth. */
const reactive = (target) =>
  new Proxy(target, {
    get(of, name, receiver) {
      const value = Reflect.get(of, name, receiver);
      return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) ? reactive(value) : value;
    },
  });

test('reactive arrays and objects are posted as plain data', async () => {
  const bytes = new Uint8Array([1, 2]);
  const cases = [
    { ...ARGS, inputs: reactive(['a', 'b']) },
    { ...ARGS, options: reactive({ candidate_labels: ['x', 'y'], top_k: 2 }) },
    reactive({ ...ARGS, inputs: ['a'], found: { spans: [{ start: 0, end: 1, label: 'NAME' }] } }),
    {
      ...ARGS,
      cascade: { config: { local: [{ calibration: reactive({ threshold: 0.5, labels: { models: ['m'] } }) }] } },
    },
    { ...ARGS, envelope: reactive({ decision: { tiers: [{ score: 0.5 }] }, output: [] }) },
    { ...ARGS, inputs: [reactive({ name: 'x', dims: [1, 2], bytes })] },
  ];
  for (const args of cases) {
    const { worker, connection } = connect();
    void connection.request('run', args).catch(() => undefined);
    assert.deepEqual(JSON.parse(JSON.stringify(worker.posted[0].args)), JSON.parse(JSON.stringify(args)));
  }
  const { worker, connection } = connect();
  void connection.request('run', cases.at(-1)).catch(() => undefined);
  assert.deepEqual(worker.posted[0].args.inputs[0].bytes, bytes);
});

test('options that cannot be posted are invalid input', async () => {
  const { connection } = connect();
  const cyclic = reactive({});
  cyclic.itself = cyclic;
  for (const options of [{ top_k: () => 1 }, reactive({ top_k: () => 1 }), reactive({ top_k: Symbol('one') }), cyclic])
    await assert.rejects(connection.request('run', { ...ARGS, options }), { kind: 'invalid-input' });
});

test('a progress listener that throws does not stop the load', async () => {
  const { worker, connection } = connect();
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  const onProgress = () => {
    throw new Error('theirs');
  };
  const loading = connection.request('load', { key: 1 }, { onProgress });
  const [{ id }] = worker.posted;
  worker.answer({ id, progress: { status: 'ready', task: 't', model: 'm' } });
  worker.answer({ id, result: { labels: [] } });
  assert.deepEqual(await loading, { labels: [] });
  assert.deepEqual(reported, ['theirs']);
});
