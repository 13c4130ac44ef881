// SHA-256 digests: in a worker where one is ready, else in the calling thread.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { Sha256 } from '../modules/io/sha256.js';

const LARGE = new Uint8Array(2 << 20).fill(7);
const DIGEST = createHash('sha256').update(LARGE).digest('hex');

/** A worker that gets its input by transfer, and answers 'here'. */
function worker() {
  const self = {
    terminated: false,
    terminate: () => (self.terminated = true),
    postMessage(bytes, transfer) {
      const moved = structuredClone(bytes, { transfer });
      queueMicrotask(() => self.onmessage({ data: ['here', moved] }));
    },
  };
  return self;
}

test('a large file goes to the worker, and its bytes come back', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const started = worker();
  const hash = new Sha256(LARGE.length, () => started);
  started.onmessage({ data: 'ready' });
  const bytes = LARGE.slice();
  const [digest, same] = await hash.digest(bytes);
  assert.equal(digest, 'here');
  assert.deepEqual([bytes.length, same], [0, LARGE]);
  hash.end();
  // Not at once: this thread may be ended at the same moment.
  assert.equal(started.terminated, false);
  t.mock.timers.tick(2000);
  assert.ok(started.terminated);
});

test('where no worker is ready it is digested here', async () => {
  const starts = [
    worker,
    () => {
      throw new Error('workers are forbidden');
    },
  ];
  for (const start of starts) assert.deepEqual(await new Sha256(LARGE.length, start).digest(LARGE), [DIGEST, LARGE]);
});

test('a worker that fails is not waited for', async () => {
  for (const fails of [
    (self) => self.onmessage({ data: 'no memory' }),
    (self) => self.onmessageerror(),
    (self) => self.onerror({ message: 'no memory', preventDefault() {} }),
  ]) {
    const started = { ...worker(), postMessage: () => queueMicrotask(() => fails(started)) };
    const hash = new Sha256(LARGE.length, () => started);
    started.onmessage({ data: 'ready' });
    await assert.rejects(hash.digest(LARGE.slice()), { kind: 'invalid-artefact', retryable: true });
  }
});

test('for a small file, and for one of unknown length, no worker is started', async () => {
  for (const bytes of [1000, undefined]) {
    const hash = new Sha256(bytes, () => assert.fail('a worker'));
    assert.deepEqual(await hash.digest(LARGE), [DIGEST, LARGE]);
    hash.end();
  }
});
