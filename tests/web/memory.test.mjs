// Peak memory of a load: weights are packed as they arrive, so it stays close to the packed size.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { LIMIT, MINILM, MINILM_INT8, openBrowser, SMOLLM2 } from './package-page.mjs';

const MB = 1e6;

let opened;
before(async () => (opened = await openBrowser({ webgpu: 'none' })), LIMIT);
after(() => opened?.close());

/** Runs in the page, and loads a model there: the bytes of its WebAssembly memory, which never shrinks, so that its size is its peak. */
async function memoryOf([task, model, device]) {
  Object.assign(pilot.env, { numThreads: 1, useBrowserCache: false });
  const loaded = await pipeline(task, model, { device });
  const { instance } = await import(`/pilot-light/wasm/${loaded.device.build}/pilot_light.js`);
  return instance()[1].buffer.byteLength;
}

for (const [task, model, packedBytes] of [
  ['feature-extraction', MINILM, 90.9 * MB],
  ['feature-extraction', MINILM_INT8, 24.4 * MB],
  ['token-classification', '/models/rampart', 14.7 * MB],
]) {
  test(`${model} is loaded within 1.4 times its packed size and 32 MB`, LIMIT, async () => {
    const page = await opened.page({ worker: false });
    const bytes = await page.evaluate(memoryOf, [task, model, 'wasm']);
    assert.ok(bytes > packedBytes, `${bytes} bytes of memory cannot hold the weights`);
    assert.ok(
      bytes <= 1.4 * packedBytes + 32 * MB,
      `${(bytes / MB).toFixed(1)} MB of memory for ${(packedBytes / MB).toFixed(1)} MB of weights`,
    );
    await page.context().close();
  });
}

test('weights that go to a GPU do not lie in the memory of WebAssembly', LIMIT, async () => {
  const [model, fileBytes, embeddingBytes] = [SMOLLM2, 98.4 * MB, 30.1 * MB];
  const software = await openBrowser({ webgpu: 'software' });
  try {
    const page = await software.page({ worker: false });
    const bytes = await page.evaluate(memoryOf, ['text-generation', model, 'webgpu']);
    // The embeddings stay there, and lie there twice while they are read.
    assert.ok(bytes < fileBytes && bytes <= 2 * embeddingBytes + 32 * MB, `${(bytes / MB).toFixed(1)} MB of memory`);
  } finally {
    await software.close();
  }
});
