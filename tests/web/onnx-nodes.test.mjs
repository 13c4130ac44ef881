// Conformance: ONNX's node tests in a browser. Those that pass according to tests/conformance/onnx_node.txt run on the CPU and
// on WebGPU, where every tensor that can be is on the GPU, however small.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { runNodes } from './onnx-nodes.mjs';
import { openBrowser } from './package-page.mjs';

const LIST = readFileSync(new URL('../conformance/onnx_node.txt', import.meta.url), 'utf8');
/** Each test with the devices on which it fails: 'nothing', 'webgpu' or 'both', as what JavaScript has nothing for. */
const LISTED = LIST.split('\n')
  .filter(Boolean)
  .map((line) => {
    const [name, ...reason] = line.split(': ');
    return { name, fails: reason.length === 0 ? 'nothing' : reason[0] === 'webgpu' ? 'webgpu' : 'both' };
  });
/** JavaScript has no typed array for bfloat16, nor for floats and integers of fewer bits: these tests run only natively. */
const inJavaScript = ({ name }) => !/bfloat16|float[48]|e4m3|e5m2|e8m0|int[24](_|$)/i.test(name);
const names = (...fails) =>
  LISTED.filter((listed) => inJavaScript(listed) && fails.includes(listed.fails)).map(({ name }) => name);

/** Tests in one page: its compiled shaders are released with it. */
const PAGE = 100;
/** Browsers in parallel: nothing here measures time, and each compiles its shaders on one core. */
const BROWSERS = 2;
/** For all tests together, with WebGPU in software. */
const LIMIT = { timeout: 40 * 60_000 };

for (const [device, webgpu, passing, least] of [
  ['wasm', 'none', names('nothing', 'webgpu'), 1000],
  ['webgpu', 'software', names('nothing'), 800],
]) {
  describe(`ONNX's tests of its operators on ${device}`, LIMIT, () => {
    let opened;
    before(async () => (opened = await Promise.all(Array.from({ length: BROWSERS }, () => openBrowser({ webgpu })))));
    after(() => Promise.all((opened ?? []).map((browser) => browser.close())));

    test(`all ${passing.length} listed tests pass`, LIMIT, async () => {
      assert.ok(passing.length >= least);
      const left = [...passing];
      const wrong = await Promise.all(
        opened.map(async (browser) => {
          const found = {};
          for (let some = left.splice(0, PAGE); some.length > 0; some = left.splice(0, PAGE)) {
            const page = await browser.page({ device, worker: false });
            Object.assign(found, await runNodes(page, device, some));
            await page.context().close();
          }
          return found;
        }),
      );
      assert.deepEqual(Object.assign({}, ...wrong), {});
    });
  });
}
