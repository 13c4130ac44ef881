// Peak memory of a load: weights are packed as they arrive, so it stays close to the packed size.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { LIMIT, MINILM, MINILM_INT8, openBrowser } from './package-page.mjs';

const MB = 1e6;

let opened;
before(async () => (opened = await openBrowser({ webgpu: 'none' })), LIMIT);
after(() => opened?.close());

for (const [task, model, packedBytes] of [
  ['feature-extraction', MINILM, 90.9 * MB],
  ['feature-extraction', MINILM_INT8, 24.4 * MB],
  ['token-classification', '/models/rampart', 14.7 * MB],
]) {
  test(`${model} is loaded within 1.4 times its packed size and 32 MB`, LIMIT, async () => {
    const page = await opened.page({ worker: false });
    const bytes = await page.evaluate(
      async ([task, model]) => {
        Object.assign(pilot.env, { numThreads: 1, useBrowserCache: false });
        const { device } = await pipeline(task, model);
        const { instance } = await import(`/pilot-light/wasm/${device.build}/pilot_light.js`);
        // WebAssembly memory never shrinks: its size is its peak.
        return instance()[1].buffer.byteLength;
      },
      [task, model],
    );
    assert.ok(bytes > packedBytes, `${bytes} bytes of memory cannot hold the weights`);
    assert.ok(
      bytes <= 1.4 * packedBytes + 32 * MB,
      `${(bytes / MB).toFixed(1)} MB of memory for ${(packedBytes / MB).toFixed(1)} MB of weights`,
    );
    await page.context().close();
  });
}
