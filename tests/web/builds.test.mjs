// CPU builds: which one is selected, and that all of them, with any number of threads, give the same results.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { cosine, goldenSentences } from './golden.mjs';
import { onnx } from './onnx-writer.mjs';
import { LIMIT, MINILM, openBrowser } from './package-page.mjs';

/** Enough texts that every thread gets part of each layer. */
const sentences = goldenSentences().slice(0, 40);
const texts = sentences.map(({ text }) => text);

let opened;
before(async () => (opened = await openBrowser({ webgpu: 'none' })), LIMIT);
after(() => opened?.close());

/** Embeds the golden sentences, all at once and the first alone, in a new page with these settings of `env`. */
async function embedWith(settings, options) {
  const page = await opened.page(options);
  try {
    return await page.evaluate(
      async ([settings, model, texts]) => {
        Object.assign(pilot.env, settings);
        const embed = await pipeline('feature-extraction', model);
        const vectors = rows(await embed(texts, { pooling: 'mean', normalize: true }));
        const [alone] = rows(await embed(texts[0], { pooling: 'none' }));
        return { device: embed.device, vectors, alone };
      },
      [settings, MINILM, texts],
    );
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

    for (const [cpuBuild, numThreads] of [
      ['cpu', 1],
      ['cpu-relaxed', 1],
      ['cpu-threads', 1],
      ['cpu-threads', 2],
      ['cpu-threads', 3],
    ]) {
      test(`'${cpuBuild}' gives the results of the reference with ${numThreads} thread(s)`, async () => {
        const run = await embedWith({ cpuBuild, numThreads }, { worker });
        runs[`${cpuBuild} ${numThreads}`] = run;
        assert.deepEqual([run.device.build, run.device.threads], [cpuBuild, numThreads], run.device.reason);
        agrees(run);
      });
    }

    test('two threads and three give the results of one, bit for bit', () => {
      const { 'cpu-threads 1': one, 'cpu-threads 2': two, 'cpu-threads 3': three } = runs;
      assert.deepEqual(two.vectors, one.vectors);
      assert.deepEqual(two.alone, one.alone);
      assert.deepEqual(three.vectors, one.vectors);
    });

    test('by default the package uses threads in a page that may share memory, and reports their number', async () => {
      const run = await embedWith({}, { worker });
      assert.equal(run.device.build, 'cpu-threads');
      assert.ok(run.device.threads >= 2);
      agrees(run);
    });

    test('a page that is not isolated gets the build without threads, and a reason if it requested threads', async () => {
      const run = await embedWith({ numThreads: 2 }, { worker, isolated: false });
      assert.deepEqual([run.device.build, run.device.threads], ['cpu-relaxed', 1]);
      assert.match(run.device.reason, /not cross-origin isolated/);
      agrees(run);
    });

    test('a build that does not start falls back to the next', async () => {
      const run = await embedWith({}, { worker, missing: '**/wasm/cpu-threads/*.wasm' });
      assert.equal(run.device.build, 'cpu-relaxed');
      assert.match(run.device.reason, /'cpu-threads' could not be started/);
      agrees(run);
    });
  });
}

test('without threads that fail to start it still runs, and reports it', LIMIT, async () => {
  const run = await embedWith({ numThreads: 2 }, { worker: false, missing: '**/compute-worker.js' });
  assert.deepEqual([run.device.build, run.device.threads], ['cpu-threads', 1]);
  assert.match(run.device.reason, /Not all threads could be started/);
  agrees(run);
});

/** [inputs, outputs] of layers: around the tile sizes of the kernels and beyond; smaller layers are not quantised. */
const LAYERS = [
  [32, 32],
  [33, 39],
  [130, 40],
  [384, 70],
  [515, 49],
];
/** Rows: less than a tile, several tiles, and a remainder. */
const ROWS = [1, 2, 3, 4, 7, 33];

/** Values distributed like activations: most are small, one in twelve is large, of either sign. */
function activations(count, seed) {
  let state = seed;
  const next = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0) / 2 ** 31;
  return Float32Array.from({ length: count }, () => (next() + next() + next()) * (next() > 0.84 ? 15 : 1));
}

/** The results of the layers `given`, each in a file of `graphs`; asserts that every build gives the same, bit for bit. */
async function inEveryBuild(graphs, given) {
  const results = [];
  for (const [cpuBuild, numThreads] of [
    ['cpu', 1],
    ['cpu-relaxed', 1],
    ['cpu-threads', 2],
  ]) {
    const page = await opened.page({ worker: false, graphs });
    results.push(
      await page.evaluate(
        async ([settings, given]) => {
          Object.assign(pilot.env, settings);
          const results = [];
          for (const { file, inputs, rows, x } of given) {
            const layer = await pilot.model(`/graphs/${file}`, { device: 'wasm', worker: false, int8: true });
            const { y } = await layer.run({ x: pilot.tensor('float32', Float32Array.from(x), [rows, inputs]) });
            await layer.dispose();
            results.push([...y.data]);
          }
          return results;
        },
        [{ cpuBuild, numThreads }, given],
      ),
    );
    await page.context().close();
  }
  const [baseline, relaxed, threads] = results;
  assert.deepEqual(relaxed, baseline);
  assert.deepEqual(threads, baseline);
  return baseline;
}

/** Half a quantisation step of the activations of a row. */
const halfStep = (row) => (5.5 / 127 / 2) * Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length);

/** A graph of one node from `x` to `y`, with rows of so many values. */
const layer = (inputs, outputs, node, constants) =>
  onnx({
    inputs: [{ name: 'x', type: 'float32', dims: ['rows', inputs] }],
    outputs: [{ name: 'y', type: 'float32', dims: ['rows', outputs] }],
    nodes: [{ ...node, inputs: ['x', ...constants.map(({ name }) => name)], outputs: ['y'] }],
    constants,
  });

test('8-bit layers agree with a naive matrix product, and bit for bit in every build', LIMIT, async () => {
  const graphs = Object.fromEntries(
    LAYERS.map(([inputs, outputs]) => {
      const w = {
        name: 'w',
        type: 'float32',
        dims: [inputs, outputs],
        bytes: new Uint8Array(activations(inputs * outputs, 7).buffer),
      };
      return [`${inputs}x${outputs}.onnx`, layer(inputs, outputs, { op: 'MatMul' }, [w])];
    }),
  );
  const given = LAYERS.flatMap(([inputs, outputs]) =>
    ROWS.map((rows) => ({
      file: `${inputs}x${outputs}.onnx`,
      inputs,
      outputs,
      rows,
      x: [...activations(rows * inputs, rows)],
    })),
  );
  const results = await inEveryBuild(graphs, given);
  given.forEach(({ inputs, outputs, rows, x }, at) => {
    const weights = activations(inputs * outputs, 7);
    for (let row = 0; row < rows; row += 1) {
      const own = x.slice(row * inputs, (row + 1) * inputs);
      // The error of an activation, and of a weight, is at most half a step.
      const half = halfStep(own);
      for (let column = 0; column < outputs; column += 1) {
        const of = (i) => weights[i * outputs + column];
        const largest = Math.max(...own.map((_, i) => Math.abs(of(i))));
        const wanted = own.reduce((sum, x, i) => sum + x * of(i), 0);
        const bound =
          1e-4 + own.reduce((sum, x, i) => sum + half * Math.abs(of(i)) + ((Math.abs(x) + half) * largest) / 254, 0);
        const is = results[at][row * outputs + column];
        assert.ok(Math.abs(is - wanted) < bound, `${rows} x ${inputs} x ${outputs}: ${is}, not ${wanted}`);
      }
    }
  });
});

test('so do block-quantised layers of 4 and 8 bits', LIMIT, async () => {
  const graphs = {};
  const given = [];
  for (const bits of [4, 8]) {
    for (const [inputs, outputs, block] of [
      [96, 33, 32],
      [50, 20, 16],
      [384, 70, 128],
    ]) {
      const blocks = Math.ceil(inputs / block);
      const bytes = Uint8Array.from({ length: (outputs * blocks * block * bits) / 8 }, (_, i) => (i * 151 + 7) % 256);
      const scales = Float32Array.from({ length: outputs * blocks }, (_, i) => 0.01 + (i % 7) / 100);
      const file = `${bits}-${inputs}x${outputs}.onnx`;
      graphs[file] = layer(
        inputs,
        outputs,
        { op: 'MatMulNBits', domain: 'com.microsoft', ints: { K: inputs, N: outputs, bits, block_size: block } },
        [
          { name: 'w', type: 'uint8', dims: [outputs, blocks, (block * bits) / 8], bytes },
          { name: 's', type: 'float32', dims: [outputs, blocks], bytes: new Uint8Array(scales.buffer) },
        ],
      );
      const weight = (output, i) => {
        const at = output * blocks * block + i;
        const number = bits === 8 ? bytes[at] - 128 : ((bytes[at >> 1] >> (4 * (at % 2))) & 15) - 8;
        return number * scales[output * blocks + Math.floor(i / block)];
      };
      for (const rows of ROWS)
        given.push({ file, inputs, outputs, rows, x: [...activations(rows * inputs, rows)], weight });
    }
  }
  const results = await inEveryBuild(
    graphs,
    given.map(({ weight, ...rest }) => rest),
  );
  given.forEach(({ file, inputs, outputs, rows, x, weight }, at) => {
    for (let row = 0; row < rows; row += 1) {
      const own = x.slice(row * inputs, (row + 1) * inputs);
      const half = halfStep(own);
      for (let output = 0; output < outputs; output += 1) {
        const wanted = own.reduce((sum, x, i) => sum + x * weight(output, i), 0);
        const bound = 1e-3 + own.reduce((sum, _, i) => sum + half * Math.abs(weight(output, i)), 0);
        const is = results[at][row * outputs + output];
        assert.ok(Math.abs(is - wanted) < bound, `${file}, ${rows} rows: ${is}, not ${wanted}`);
      }
    }
  });
});

test('a file that allows 8-bit activations is computed as with int8: true', LIMIT, async () => {
  const bytes = Uint8Array.from({ length: 64 * 16 }, (_, i) => (i * 151 + 7) % 256);
  const constants = [
    { name: 'w', type: 'uint8', dims: [64, 1, 16], bytes },
    { name: 's', type: 'float32', dims: [64, 1], bytes: new Uint8Array(new Float32Array(64).fill(0.01).buffer) },
  ];
  const ints = { K: 32, N: 64, bits: 4, block_size: 32 };
  const graphs = Object.fromEntries(
    [0, 4].map((accuracy_level) => [
      `${accuracy_level}.onnx`,
      layer(32, 64, { op: 'MatMulNBits', domain: 'com.microsoft', ints: { ...ints, accuracy_level } }, constants),
    ]),
  );
  const page = await opened.page({ worker: false, graphs });
  const [floats, asked, allowed] = await page.evaluate(
    async ([x]) => {
      const results = [];
      for (const [file, options] of [
        ['0', {}],
        ['0', { int8: true }],
        ['4', {}],
      ]) {
        const layer = await pilot.model(`/graphs/${file}.onnx`, { device: 'wasm', worker: false, ...options });
        results.push([...(await layer.run({ x: pilot.tensor('float32', Float32Array.from(x), [2, 32]) })).y.data]);
      }
      return results;
    },
    [[...activations(64, 5)]],
  );
  assert.deepEqual(allowed, asked);
  assert.notDeepEqual(allowed, floats);
  await page.context().close();
});

test('invalid settings are refused', LIMIT, async () => {
  const page = await opened.page();
  for (const settings of [{ cpuBuild: 'fast' }, { numThreads: -1 }, { numThreads: 1.5 }]) {
    const { error } = await page.evaluate(
      ([settings, model]) => {
        Object.assign(pilot.env, { cpuBuild: 'auto', numThreads: 0 }, settings);
        return outcome(pipeline('feature-extraction', model));
      },
      [settings, MINILM],
    );
    assert.equal(error?.kind, 'invalid-input', JSON.stringify(settings));
  }
});
