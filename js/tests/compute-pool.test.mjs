// The pool of compute workers: how they are started, and what is reported of those that fail.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ComputePool } from '../modules/worker/compute-pool.js';

const INSTANCE = ['module', 'memory'];

/** Workers that answer, or fail as `fails` says of each in turn. */
function workers(fails = []) {
  const started = [];
  const start = () => {
    const worker = {
      terminated: false,
      terminate: () => (worker.terminated = true),
      postMessage(message) {
        worker.given = message;
        const fault = fails[started.indexOf(worker)];
        queueMicrotask(() =>
          fault === undefined
            ? worker.onmessage({ data: 'ready' })
            : worker.onerror({ message: fault, preventDefault() {} }),
        );
      },
    };
    started.push(worker);
    return worker;
  };
  return { started, start };
}

test('as many workers as requested get the instance', async () => {
  const { started, start } = workers();
  const pool = new ComputePool(3, start);
  assert.equal(started.length, 3);
  assert.equal(await pool.join(INSTANCE), 3);
  assert.deepEqual([started.map(({ given }) => given), pool.fault], [[INSTANCE, INSTANCE, INSTANCE], undefined]);
  assert.equal(await new ComputePool(0, start).join(INSTANCE), 0);
});

test('a worker that fails is ended, and the others help', async () => {
  const { started, start } = workers([undefined, 'no memory', '']);
  const pool = new ComputePool(3, start);
  assert.equal(await pool.join(INSTANCE), 1);
  assert.deepEqual(
    started.map(({ terminated }) => terminated),
    [false, true, true],
  );
  assert.match(pool.fault, /no memory|could not be loaded/);
});

test('where no worker can be started the pool is empty, and says why', async () => {
  const pool = new ComputePool(2, () => {
    throw new Error('workers are forbidden');
  });
  assert.deepEqual([await pool.join(INSTANCE), pool.fault], [0, 'workers are forbidden']);
});
