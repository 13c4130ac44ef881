// Device selection: without an adapter, with one, with a faulty one, and after a device is lost.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { cosine, goldenSentences } from './golden.mjs';
import { onnx } from './onnx-writer.mjs';
import { LIMIT, MINILM, openBrowser } from './package-page.mjs';

const [{ text, embedding }] = goldenSentences();

/** Embeds the golden sentence `count` times in one call in the page; gives one vector and the device after it. */
const embedIn = (page, device, count = 1) =>
  page.evaluate(
    async ([model, texts, device]) => {
      const embed = await (globalThis.embedder ??= pipeline('feature-extraction', model, { device }));
      const [vector] = rows(await embed(texts, { pooling: 'mean', normalize: true }));
      return { vector, device: embed.device };
    },
    [MINILM, Array(count).fill(text), device],
  );

/** Graphs that a GPU computes: twice its input, and products that take long enough to be stopped. */
const port = (name, dims) => ({ name, type: 'float32', dims });
const GRAPHS = {
  'double.onnx': onnx({
    inputs: [port('x', ['batch', 'length', 64])],
    outputs: [port('y', ['batch', 'length', 64])],
    nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
  }),
  'products.onnx': onnx({
    inputs: [port('x', [512, 512])],
    outputs: [port('y', [512, 512])],
    nodes: [
      { op: 'MatMul', inputs: ['x', 'x'], outputs: ['a'] },
      { op: 'MatMul', inputs: ['a', 'x'], outputs: ['y'] },
    ],
  }),
};

const agrees = (vector) => assert.ok(cosine(vector, embedding) >= 0.9999);
const gpuFiles = (page) => page.requested.filter((path) => path.includes('/wasm/gpu/'));

describe('without an adapter', LIMIT, () => {
  let opened;
  before(async () => (opened = await openBrowser({ webgpu: 'none' })));
  after(() => opened?.close());

  for (const worker of [true, false]) {
    const where = worker ? 'in a worker' : 'in place';

    test(`auto takes the CPU and gives the reason, ${where}`, async () => {
      const page = await opened.page({ worker });
      const { vector, device } = await embedIn(page, 'auto');
      agrees(vector);
      assert.deepEqual([device.kind, device.requested, device.adapter], ['wasm', 'auto', '']);
      assert.match(device.reason, /adapter/);
      assert.deepEqual(gpuFiles(page), [], 'nothing of the GPU artefact is downloaded');
    });

    test(`a request for WebGPU is an error, ${where}`, async () => {
      const page = await opened.page({ worker });
      const { error } = await page.evaluate(
        (model) => outcome(pipeline('feature-extraction', model, { device: 'webgpu' })),
        MINILM,
      );
      assert.deepEqual([error?.kind, error?.ours], ['backend-unavailable', true]);
      assert.match(error.message, /adapter/);
      agrees((await embedIn(page, 'wasm')).vector);
    });
  }
});

describe('with an adapter', LIMIT, () => {
  let opened;
  before(async () => (opened = await openBrowser({ webgpu: 'software' })));
  after(() => opened?.close());

  for (const worker of [true, false]) {
    test(`auto takes WebGPU after its golden check, ${worker ? 'in a worker' : 'in place'}`, async () => {
      const page = await opened.page({ worker, hardware: 'fast' });
      const { vector, device } = await embedIn(page, 'auto');
      assert.deepEqual([device.kind, device.requested], ['webgpu', 'auto'], device.reason);
      assert.notEqual(device.adapter, '');
      assert.match(device.reason, /golden/);
      // The page's own thread has no time for measuring.
      const measured = /Measured: 16 tokens take 1\.0 ms on the GPU and 100 ms on the CPU/;
      assert.equal(measured.test(device.reason), worker, device.reason);
      assert.notDeepEqual(gpuFiles(page), []);
      agrees(vector);
    });
  }

  test('auto leaves all runs to a CPU that is measured to be faster, and remembers it', async () => {
    const page = await opened.page({ hardware: 'slow' });
    const { vector, device } = await embedIn(page, 'auto');
    assert.deepEqual([device.kind, device.requested, device.adapter], ['wasm', 'auto', '']);
    assert.match(device.reason, /Measured: 16 tokens take 1000 ms on the GPU and 100 ms on the CPU.*All runs are left/);
    agrees(vector);
    await page.evaluate(async () => {
      const settled = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      const database = await settled(indexedDB.open('pilot-light-devices'));
      const store = database.transaction('measured', 'readwrite').objectStore('measured');
      const [key] = await settled(store.getAllKeys());
      await settled(store.put({ cpuElements: 0, reason: 'As it was.' }, key));
      database.close();
    });
    await opened.reload(page);
    const again = await embedIn(page, 'auto');
    assert.equal(again.device.kind, 'webgpu');
    assert.match(again.device.reason, /As it was\.$/);
    agrees(again.vector);
  });

  for (const [speed, times, kind] of [
    ['fast', '1\\.0 ms on the GPU and 100 ms on the CPU', 'webgpu'],
    ['slow', '1000 ms on the GPU and 100 ms on the CPU.*All runs are left to the CPU', 'wasm'],
  ]) {
    test(`auto measures graphs, and tasks that read no texts, on a ${speed} GPU`, async () => {
      const page = await opened.page({ hardware: speed, graphs: GRAPHS });
      const { devices, label, sum } = await page.evaluate(async () => {
        const classify = await pipeline('file-classification', '/models/magika', { device: 'auto' });
        const [{ label }] = await classify(new TextEncoder().encode('def f(x):\n    return x + 1\n'.repeat(99)));
        const double = await model('/graphs/double.onnx', { device: 'auto' });
        const { y } = await double.run({ x: pilot.tensor('float32', new Float32Array(2048).fill(3), [1, 32, 64]) });
        return { devices: [classify.device, double.device], label, sum: y.data.reduce((a, b) => a + b) };
      });
      assert.deepEqual([label, sum], ['python', 2048 * 6]);
      for (const [at, name] of ['4096 bytes', 'inputs of 1 × 16 × 64'].entries()) {
        assert.equal(devices[at].kind, kind, devices[at].reason);
        assert.match(devices[at].reason, new RegExp(`Measured: ${name} take ${times}`));
      }
    });
  }

  test('the CPU is stopped where a graph takes it longer than there is time', async () => {
    const page = await opened.page({ hardware: 'fast', graphs: GRAPHS });
    const { device, first } = await page.evaluate(async () => {
      const squares = await model('/graphs/products.onnx', { device: 'auto' });
      const { y } = await squares.run({ x: pilot.tensor('float32', new Float32Array(1 << 18).fill(1), [512, 512]) });
      return { device: squares.device, first: y.data[0] };
    });
    assert.deepEqual([device.kind, first], ['webgpu', 512 * 512], device.reason);
    assert.match(device.reason, /Measured: inputs of 512 × 512 take 1\.0 ms on the GPU and too long on the CPU\.$/);
  });

  test('a request for WebGPU is not measured', async () => {
    const page = await opened.page({ hardware: 'slow' });
    const { vector, device } = await embedIn(page, 'webgpu');
    assert.equal(device.kind, 'webgpu');
    assert.doesNotMatch(device.reason, /Measured/);
    agrees(vector);
  });

  for (const worker of [true, false]) {
    test(`auto leaves an adapter that is software for the CPU, ${worker ? 'in a worker' : 'in place'}`, async () => {
      const page = await opened.page({ worker });
      const { vector, device } = await embedIn(page, 'auto');
      assert.deepEqual([device.kind, device.requested, device.adapter], ['wasm', 'auto', '']);
      assert.match(device.reason, /The WebGPU adapter '.*swiftshader.*' is software/);
      assert.deepEqual(gpuFiles(page), [], 'nothing of the GPU artefact is downloaded');
      agrees(vector);
    });
  }

  test('an adapter without a device falls back to the CPU', async () => {
    const page = await opened.page({ worker: false, hardware: true });
    await page.evaluate(
      () => (GPUAdapter.prototype.requestDevice = () => Promise.reject(new Error('all devices are out'))),
    );
    const { vector, device } = await embedIn(page, 'auto');
    assert.equal(device.kind, 'wasm');
    assert.match(device.reason, /WebGPU was not taken/);
    agrees(vector);
  });

  test('a GPU with wrong results falls back to the CPU', async () => {
    const page = await opened.page({ worker: false, hardware: true });
    await page.evaluate(() => {
      const { getMappedRange } = GPUBuffer.prototype;
      GPUBuffer.prototype.getMappedRange = function (...range) {
        const bytes = getMappedRange.apply(this, range);
        if (this.usage & GPUBufferUsage.MAP_READ && bytes.byteLength >= 4) new Float32Array(bytes, 0, 1)[0] += 0.5;
        return bytes;
      };
    });
    const { vector, device } = await embedIn(page, 'auto');
    assert.equal(device.kind, 'wasm');
    assert.match(device.reason, /numbers differ from the CPU's by 5\.0e-1/);
    agrees(vector);
  });
});

for (const worker of [true, false]) {
  // A browser for each: after a few crashes of its GPU process a browser starts no more of them.
  describe(`a device that is lost, ${worker ? 'in a worker' : 'in place'}`, LIMIT, () => {
    let opened;
    let page;
    let crash;
    before(async () => {
      opened = await openBrowser({ webgpu: 'software' });
      page = await opened.page({ worker, hardware: 'fast' });
      const browser = await opened.browser.newBrowserCDPSession();
      crash = () => browser.send('Browser.crashGpuProcess');
      assert.equal((await embedIn(page, 'auto')).device.kind, 'webgpu');
    });
    after(() => opened?.close());

    test('a call in progress is answered by the CPU, and so are later ones', async () => {
      // Many texts, so that the call still runs when the device is lost, however fast the machine is.
      const running = embedIn(page, 'auto', 64);
      await crash();
      for (const { vector, device } of [await running, await embedIn(page)]) {
        agrees(vector);
        assert.deepEqual([device.kind, device.requested], ['wasm', 'auto']);
        assert.match(device.reason, /WebGPU was given up for the CPU/);
      }
    });

    test('a model that is loaded afterwards runs on the CPU', async () => {
      const device = await page.evaluate(
        async () => (await pipeline('text-classification', '/golden/tiny-bert-seq', { device: 'auto' })).device,
      );
      assert.deepEqual([device.kind, device.requested], ['wasm', 'auto']);
    });
  });

  describe(`a device that is lost between two calls, ${worker ? 'in a worker' : 'in place'}`, LIMIT, () => {
    let opened;
    before(async () => (opened = await openBrowser({ webgpu: 'software' })));
    after(() => opened?.close());

    test('the next call is answered by the CPU', async () => {
      const page = await opened.page({ worker, hardware: 'fast' });
      assert.equal((await embedIn(page, 'auto')).device.kind, 'webgpu');
      await (await opened.browser.newBrowserCDPSession()).send('Browser.crashGpuProcess');
      const { vector, device } = await embedIn(page);
      agrees(vector);
      assert.equal(device.kind, 'wasm');
      assert.match(device.reason, /WebGPU was given up for the CPU/);
    });
  });
}
