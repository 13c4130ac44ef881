// `text-generation` on WebGPU: the same texts as on the CPU, also where the device is lost in the middle of a reply.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { LIMIT, MINILM, MINILM_INT8, openBrowser, SMOLLM2 } from './package-page.mjs';

/** A beginning behind which no two tokens are as likely as each other. */
const PROMPT = 'The history of the lighthouse begins with fires that were lit on the tops of hills, and';
/** An adapter in software takes a while for each. */
const TOKENS = 5;
/** So many that a reply still runs when its device is lost, however fast the machine is. */
const MANY = 40;

describe('models with packed weights on WebGPU', LIMIT, () => {
  let opened;
  let page;
  before(async () => {
    opened = await openBrowser({ webgpu: 'software' });
    page = await opened.page();
    await page.evaluate(async (model) => {
      globalThis.onCpu = await pipeline('text-generation', model);
      globalThis.onGpu = await pipeline('text-generation', model, { device: 'webgpu' });
    }, SMOLLM2);
  });
  after(() => opened?.close());

  test('a reply is that of the CPU', async () => {
    const { device, texts } = await page.evaluate(
      async ([prompt, max_new_tokens]) => {
        const options = { max_new_tokens, return_full_text: false };
        const texts = [];
        for (const generate of [onCpu, onGpu]) texts.push((await generate(prompt, options))[0].generated_text);
        return { device: onGpu.device, texts };
      },
      [PROMPT, TOKENS],
    );
    assert.equal(device.kind, 'webgpu');
    assert.equal(texts[1], texts[0]);
    assert.notEqual(texts[1], '');
  });

  test('the likeliest tokens are chosen there, and two are read back at once', async () => {
    const own = await opened.page({ worker: false });
    const { mapped, logits, texts } = await own.evaluate(
      async ([model, prompt]) => {
        const { mapAsync } = GPUBuffer.prototype;
        const mapped = [];
        GPUBuffer.prototype.mapAsync = function (...range) {
          mapped.push(this.size);
          return mapAsync.apply(this, range);
        };
        const generate = await pipeline('text-generation', model, { device: 'webgpu' });
        mapped.length = 0;
        const options = { max_new_tokens: 7, prompt_lookup: false, return_full_text: false };
        const [{ generated_text: text }] = await generate(prompt, options);
        // With a penalty, however small, logits are read back, and the CPU chooses.
        const [{ generated_text: expected }] = await generate(prompt, { ...options, presence_penalty: 1e-6 });
        return { texts: [text, expected], mapped: mapped.slice(0, 4), logits: mapped.at(-1) };
      },
      [SMOLLM2, PROMPT],
    );
    // The index and the log-probability of the first token, and of three times two.
    assert.deepEqual(mapped, [8, 16, 16, 16]);
    assert.ok(logits > 100_000, `${logits} bytes were read of logits`);
    assert.equal(texts[0], texts[1]);
  });

  test('an encoder of 8 bits gives the vectors of the CPU, but for what that quantises', async () => {
    const [cpu, gpu] = await page.evaluate(
      async ([model, converted]) => {
        const vectors = [];
        for (const [device, path] of [
          ['wasm', converted],
          ['webgpu', converted],
          ['webgpu', model],
        ]) {
          const extract = await pipeline('feature-extraction', path, { device, dtype: 'int8' });
          const { data } = await extract('The quick brown fox jumps over the lazy dog.', {
            pooling: 'mean',
            normalize: true,
          });
          if (extract.device.kind !== device) throw new Error(extract.device.reason);
          vectors.push([...data]);
          await extract.dispose();
        }
        // Converted beforehand, or when it is loaded, they are the same integers.
        if (vectors[2].some((x, at) => Math.abs(x - vectors[1][at]) > 1e-3)) throw new Error('the vectors differ');
        return vectors;
      },
      [MINILM, MINILM_INT8],
    );
    const cosine = cpu.reduce((sum, x, at) => sum + x * gpu[at], 0);
    // The CPU quantises activations as well.
    assert.ok(cosine > 0.998, `the cosine of the vectors is ${cosine}`);
  });

  test('a reply whose device is lost goes on with the same text', async () => {
    const [expected] = await page.evaluate(
      ([prompt, max_new_tokens]) => onCpu(prompt, { max_new_tokens, return_full_text: false }),
      [PROMPT, MANY],
    );
    await page.evaluate(
      ([prompt, max_new_tokens]) => {
        globalThis.pieces = [];
        globalThis.reply = (async () => {
          for await (const piece of onGpu.stream(prompt, { max_new_tokens, return_full_text: false }))
            pieces.push(piece);
          return pieces.join('');
        })();
      },
      [PROMPT, MANY],
    );
    await page.waitForFunction(() => pieces.length > 0);
    await (await opened.browser.newBrowserCDPSession()).send('Browser.crashGpuProcess');
    const { outcome, device } = await page.evaluate(async () => {
      const outcome = await reply.catch(({ kind, retryable }) => ({ kind, retryable }));
      return { outcome, device: onGpu.device };
    });
    assert.equal(outcome, expected.generated_text);
    assert.deepEqual([device.kind, device.requested], ['wasm', 'webgpu']);
  });
});

test('a GPU that has no memory left while the weights go there is given up for the CPU', LIMIT, async () => {
  const opened = await openBrowser({ webgpu: 'software' });
  try {
    const page = await opened.page({ worker: false });
    const { device, text } = await page.evaluate(
      async ([model, prompt, limit]) => {
        const { createBuffer } = GPUDevice.prototype;
        let bytes = 0;
        GPUDevice.prototype.createBuffer = function (descriptor) {
          bytes += descriptor.size;
          // Larger than any device allows: the error comes later, and from nowhere, as it does where memory is short.
          return createBuffer.call(this, bytes < limit ? descriptor : { ...descriptor, size: 2 ** 50 });
        };
        const generate = await pipeline('text-generation', model, { device: 'webgpu' });
        const [{ generated_text: text }] = await generate(prompt, { max_new_tokens: 3, return_full_text: false });
        return { device: generate.device, text };
      },
      [SMOLLM2, PROMPT, 50e6],
    );
    assert.deepEqual([device.kind, device.requested], ['wasm', 'webgpu']);
    assert.match(device.reason, /WebGPU was given up for the CPU\. .*the GPU failed before it had all weights/);
    assert.notEqual(text, '');
  } finally {
    await opened.close();
  }
});
