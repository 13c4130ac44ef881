// The builds for the CPU: which one runs where, that all give the same numbers, and two threads those of one.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { cosine, goldenSentences } from './golden.mjs';
import { onnx } from './onnx.mjs';
import { LIMIT, MINILM, openBrowser } from './package_page.mjs';

/** Enough of them that every thread gets some of each layer. */
const sentences = goldenSentences().slice(0, 40);
const texts = sentences.map(({ text }) => text);

let opened;
before(async () => (opened = await openBrowser({ webgpu: 'none' })), LIMIT);
after(() => opened?.close());

/** Embeds the golden sentences, all at once and the first by itself, in a fresh page whose `env` has these settings. */
async function embedWith(settings, options) {
  const page = await opened.page(options);
  try {
    return await page.evaluate(async ([settings, model, texts]) => {
      Object.assign(pilot.env, settings);
      const embed = await pipeline('feature-extraction', model);
      const vectors = rows(await embed(texts, { pooling: 'mean', normalize: true }));
      const [alone] = rows(await embed(texts[0], { pooling: 'none' }));
      return { device: embed.device, vectors, alone };
    }, [settings, MINILM, texts]);
  } finally {
    await page.context().close();
  }
}

function agrees({ vectors }) {
  sentences.forEach(({ embedding, text }, i) => assert.ok(cosine(vectors[i], embedding) >= 0.9999, text));
}

for (const worker of [true, false]) {
  describe(worker ? 'in a worker' : 'in place', LIMIT, () => {
    const runs = {};

    for (const [cpuBuild, numThreads] of [['cpu', 1], ['cpu-relaxed', 1], ['cpu-threads', 1], ['cpu-threads', 2], ['cpu-threads', 3]]) {
      test(`'${cpuBuild}' gives the numbers of the reference with ${numThreads} thread(s)`, async () => {
        const run = await embedWith({ cpuBuild, numThreads }, { worker });
        runs[`${cpuBuild} ${numThreads}`] = run;
        assert.deepEqual([run.device.build, run.device.threads], [cpuBuild, numThreads], run.device.reason);
        agrees(run);
      });
    }

    test('two threads and three give the numbers of one, to the last bit', () => {
      const { 'cpu-threads 1': one, 'cpu-threads 2': two, 'cpu-threads 3': three } = runs;
      assert.deepEqual(two.vectors, one.vectors);
      assert.deepEqual(two.alone, one.alone);
      assert.deepEqual(three.vectors, one.vectors);
    });

    test('by itself the package takes threads in a page that may share memory, and says how many', async () => {
      const run = await embedWith({}, { worker });
      assert.equal(run.device.build, 'cpu-threads');
      assert.ok(run.device.threads >= 2);
      agrees(run);
    });

    test('a page that is not isolated gets the build without threads, and is told if it asked for some', async () => {
      const run = await embedWith({ numThreads: 2 }, { worker, isolated: false });
      assert.deepEqual([run.device.build, run.device.threads], ['cpu-relaxed', 1]);
      assert.match(run.device.reason, /not cross-origin isolated/);
      agrees(run);
    });

    test('a build that does not start leads to the next', async () => {
      const run = await embedWith({}, { worker, missing: '**/wasm/cpu-threads/*.wasm' });
      assert.equal(run.device.build, 'cpu-relaxed');
      assert.match(run.device.reason, /'cpu-threads' could not be started/);
      agrees(run);
    });
  });
}

test('threads that do not start are done without, and the result says so', LIMIT, async () => {
  const run = await embedWith({ numThreads: 2 }, { worker: false, missing: '**/helper.js' });
  assert.deepEqual([run.device.build, run.device.threads], ['cpu-threads', 1]);
  assert.match(run.device.reason, /Not all threads could be started/);
  agrees(run);
});

/** Inputs and outputs of layers: around what kernels do at once, and beyond; smaller ones are not quantised. */
const LAYERS = [[32, 32], [33, 39], [130, 40], [384, 70], [515, 49]];
/** Rows: fewer than a tile, some tiles, and a rest. */
const ROWS = [1, 2, 3, 4, 7, 33];

/** Numbers as activations are: most are small, one in a dozen is large, to either side. */
function activations(count, seed) {
  let state = seed;
  const next = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0) / 2 ** 31;
  return Float32Array.from({ length: count }, () => (next() + next() + next()) * (next() > 0.84 ? 15 : 1));
}

test('layers of 8 bits are those of three loops, and to the last bit the same in every build', LIMIT, async () => {
  const graphs = {};
  for (const [inputs, outputs] of LAYERS) {
    graphs[`${inputs}x${outputs}.onnx`] = onnx({
      inputs: [{ name: 'x', type: 'float32', dims: ['rows', inputs] }],
      outputs: [{ name: 'y', type: 'float32', dims: ['rows', outputs] }],
      nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
      constants: [{ name: 'w', type: 'float32', dims: [inputs, outputs], bytes: new Uint8Array(activations(inputs * outputs, 7).buffer) }],
    });
  }
  const given = LAYERS.flatMap(([inputs, outputs]) => ROWS.map((rows) => ({ inputs, outputs, rows, x: [...activations(rows * inputs, rows)] })));
  const results = [];
  for (const [cpuBuild, numThreads] of [['cpu', 1], ['cpu-relaxed', 1], ['cpu-threads', 2]]) {
    const page = await opened.page({ worker: false, graphs });
    results.push(await page.evaluate(async ([settings, given]) => {
      Object.assign(pilot.env, settings);
      const results = [];
      for (const { inputs, outputs, rows, x } of given) {
        const layer = await pilot.model(`/graphs/${inputs}x${outputs}.onnx`, { device: 'wasm', worker: false, int8: true });
        const { y } = await layer.run({ x: pilot.tensor('float32', Float32Array.from(x), [rows, inputs]) });
        await layer.dispose();
        results.push([...y.data]);
      }
      return results;
    }, [{ cpuBuild, numThreads }, given]));
    await page.context().close();
  }
  const [baseline, relaxed, threads] = results;
  assert.deepEqual(relaxed, baseline);
  assert.deepEqual(threads, baseline);
  given.forEach(({ inputs, outputs, rows, x }, at) => {
    const weights = activations(inputs * outputs, 7);
    for (let row = 0; row < rows; row += 1) {
      const own = x.slice(row * inputs, (row + 1) * inputs);
      // Half a step of an activation, and of a weight, at most.
      const half = (5 / 127 / 2) * Math.sqrt(own.reduce((sum, x) => sum + x * x, 0) / inputs);
      for (let column = 0; column < outputs; column += 1) {
        const of = (i) => weights[i * outputs + column];
        const largest = Math.max(...own.map((_, i) => Math.abs(of(i))));
        const wanted = own.reduce((sum, x, i) => sum + x * of(i), 0);
        const bound = 1e-4 + own.reduce((sum, x, i) => sum + half * Math.abs(of(i)) + ((Math.abs(x) + half) * largest) / 254, 0);
        const is = baseline[at][row * outputs + column];
        assert.ok(Math.abs(is - wanted) < bound, `${rows} x ${inputs} x ${outputs}: ${is}, not ${wanted}`);
      }
    }
  });
});

test('settings that make no sense are refused', LIMIT, async () => {
  const page = await opened.page();
  for (const settings of [{ cpuBuild: 'fast' }, { numThreads: -1 }, { numThreads: 1.5 }]) {
    const { error } = await page.evaluate(([settings, model]) => {
      Object.assign(pilot.env, { cpuBuild: 'auto', numThreads: 0 }, settings);
      return outcome(pipeline('feature-extraction', model));
    }, [settings, MINILM]);
    assert.equal(error?.kind, 'invalid-input', JSON.stringify(settings));
  }
});
