// `model`, the interface for any ONNX file: its inputs and outputs, its results, and what is refused.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { typed } from './assertions.mjs';
import { onnx } from './onnx-writer.mjs';
import { LIMIT, openBrowser } from './package-page.mjs';

const float = (name, dims) => ({ name, type: 'float32', dims });
const floats = (...numbers) => new Uint8Array(Float32Array.from(numbers).buffer);

/** y = relu(x W + b), with W in the file and b in the file or in external data. */
const linear = (bias) =>
  onnx({
    inputs: [float('x', ['batch', 2])],
    outputs: [float('y', ['batch', 3])],
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['xw'] },
      { op: 'Add', inputs: ['xw', 'b'], outputs: ['sum'] },
      { op: 'Relu', inputs: ['sum'], outputs: ['y'] },
    ],
    constants: [
      { name: 'w', type: 'float32', dims: [2, 3], bytes: floats(1, 2, 3, 4, 5, 6) },
      { name: 'b', type: 'float32', dims: [3], ...bias },
    ],
  });
const EXTERNAL = linear({ location: 'linear.onnx_data' });

const add = (type) =>
  onnx({
    inputs: [
      { name: 'a', type, dims: ['n'] },
      { name: 'b', type, dims: ['n'] },
    ],
    outputs: [{ name: 'sum', type, dims: ['n'] }],
    nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] }],
  });
const concat = onnx({
  inputs: ['a', 'b'].map((name) => ({ name, type: 'string', dims: ['n'] })),
  outputs: [{ name: 'both', type: 'string', dims: ['n'] }],
  nodes: [{ op: 'StringConcat', inputs: ['a', 'b'], outputs: ['both'] }],
  opset: 20,
});
const unsupported = onnx({
  inputs: [float('x', [1])],
  outputs: [float('y', [1])],
  nodes: [
    { op: 'Flibber', inputs: ['x'], outputs: ['z'], domain: 'com.example' },
    { op: 'Relu', inputs: ['z'], outputs: ['u'] },
    { op: 'Gibber', inputs: ['u'], outputs: ['y'] },
  ],
});

/** The layer normalisation of x + around. */
const normOfSum = (dims) =>
  onnx({
    inputs: [float('x', ['rows', 4]), float('around', dims)],
    outputs: [float('y', ['rows', 4])],
    nodes: [
      { op: 'Add', inputs: ['x', 'around'], outputs: ['sum'] },
      { op: 'LayerNormalization', inputs: ['sum', 'scale', 'bias'], outputs: ['y'] },
    ],
    constants: [
      { name: 'scale', type: 'float32', dims: [4], bytes: floats(1, -2, 0.5, 3) },
      { name: 'bias', type: 'float32', dims: [4], bytes: floats(0, 1, 2, -3) },
    ],
  });

const ADDED = ['float32', 'float64', 'int64', 'int32'];
const FILES = {
  'linear.onnx': linear({ bytes: floats(-20, 0, 0.5) }),
  'linear_q4.onnx': linear({ bytes: floats(0, 0, 0) }),
  'external.onnx': EXTERNAL,
  'linear.onnx_data': floats(-20, 0, 0.5),
  'outside.onnx': linear({ location: '../linear.onnx_data' }),
  'rooted.onnx': linear({ location: '/graphs/linear.onnx_data' }),
  'concat.onnx': concat,
  'unsupported.onnx': unsupported,
  'cut.onnx': linear({ bytes: floats(-20, 0, 0.5) }).subarray(0, 90),
  'empty.onnx': Buffer.alloc(0),
  'words.onnx': Buffer.from('this is not a model'),
  'norm-of-sum.onnx': normOfSum(['rows', 4]),
  'norm-of-row.onnx': normOfSum([4]),
  'rank.onnx': onnx({
    inputs: [float('x', undefined)],
    outputs: [float('y', undefined)],
    nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
  }),
  ...Object.fromEntries(ADDED.map((type) => [`add-${type}.onnx`, add(type)])),
};

for (const [device, worker] of [
  ['wasm', true],
  ['wasm', false],
  ['webgpu', true],
]) {
  describe(`a model on ${device}, ${worker ? 'in a worker' : 'in place'}`, LIMIT, () => {
    let opened;
    let page;
    before(async () => {
      opened = await openBrowser({ webgpu: device === 'webgpu' ? 'software' : 'none' });
      page = await opened.page({ device, worker, graphs: FILES });
      // A model that stays loaded keeps the engine, whose check on WebGPU takes seconds.
      await page.evaluate(async () => (globalThis.first = await model('/graphs/linear.onnx')));
    });
    after(() => opened?.close());

    test('it reports its inputs, outputs and device', async () => {
      const report = await page.evaluate(async () => {
        const m = await model('/graphs/linear.onnx');
        const rank = await model('/graphs/rank.onnx');
        const report = [m.inputs, m.outputs, m.device.kind, rank.inputs[0].dims === undefined];
        await Promise.all([m.dispose(), rank.dispose()]);
        return report;
      });
      assert.deepEqual(report, [[float('x', ['batch', 2])], [float('y', ['batch', 3])], device, true]);
    });

    test('it gives the same correct results call after call', async () => {
      const found = await page.evaluate(async () => {
        const m = await model('/graphs/linear.onnx');
        const run = async (...numbers) => {
          const { y } = await m.run({ x: pilot.tensor('float32', numbers, [numbers.length / 2, 2]) });
          return [y.type, y.dims, y.data.constructor.name, [...y.data]];
        };
        const found = [await run(1, 2), ...(await Promise.all([run(1, 2, -1, -2, 5, 0), run(0, 0)]))];
        await m.dispose();
        return found;
      });
      // [1 2] W = [9 12 15]
      assert.deepEqual(found, [
        ['float32', [1, 3], 'Float32Array', [0, 12, 15.5]],
        ['float32', [3, 3], 'Float32Array', [0, 12, 15.5, 0, 0, 0, 0, 10, 15.5]],
        ['float32', [1, 3], 'Float32Array', [0, 0, 0.5]],
      ]);
    });

    for (const type of ADDED) {
      test(`${type} is accepted and returned`, async () => {
        const found = await page.evaluate(async (type) => {
          const m = await model(`/graphs/add-${type}.onnx`);
          const { sum } = await m.run({ b: pilot.tensor(type, [3, -4]), a: pilot.tensor(type, [1, 2]) });
          await m.dispose();
          return [sum.type, sum.data.constructor.name, Array.from(sum.data, Number)];
        }, type);
        const expected = {
          float32: 'Float32Array',
          float64: 'Float64Array',
          int64: 'BigInt64Array',
          int32: 'Int32Array',
        };
        assert.deepEqual(found, [type, expected[type], [4, -2]]);
      });
    }

    test('strings are accepted and returned', async () => {
      const [inputs, both, wrong] = await page.evaluate(async () => {
        const m = await model('/graphs/concat.onnx');
        const a = pilot.tensor('string', ['one ', '', 'half \ud800']);
        const { both } = await m.run({ a, b: pilot.tensor('string', ['two', 'π', '!']) });
        const wrong = await outcome(m.run({ a, b: pilot.tensor('string', ['two', 'more']) }));
        const numbers = await outcome(m.run({ a, b: pilot.tensor('int32', [1, 2, 3]) }));
        await m.dispose();
        return [m.inputs, both, [wrong, numbers]];
      });
      assert.deepEqual(inputs[0], { name: 'a', type: 'string', dims: ['n'] });
      // Half of a surrogate pair is no character.
      assert.deepEqual(both, { type: 'string', dims: [3], data: ['one two', 'π', 'half \ufffd!'] });
      for (const { error } of wrong) typed(error, 'invalid-input');
    });

    test('fused layer normalisation of a sum gives the result of the two operators', async () => {
      const rows = 300;
      const found = await page.evaluate(
        async ([rows]) => {
          const numbers = (count, by) =>
            Float32Array.from({ length: count }, (_, i) => Math.sin(i * by) * (1 + (i % 7)));
          const found = [];
          for (const [file, dims] of [
            ['norm-of-sum', [rows, 4]],
            ['norm-of-row', [4]],
          ]) {
            for (const layer_norm of [true, false]) {
              const m = await model(`/graphs/${file}.onnx`, { fusion: { layer_norm } });
              const count = dims.reduce((a, b) => a * b);
              const { y } = await m.run({
                x: pilot.tensor('float32', numbers(rows * 4, 0.7), [rows, 4]),
                around: pilot.tensor('float32', numbers(count, 1.3), dims),
              });
              found.push([...y.data]);
              await m.dispose();
            }
          }
          return found;
        },
        [rows],
      );
      for (const [one, two] of [found.slice(0, 2), found.slice(2)]) {
        assert.equal(one.length, rows * 4);
        one.forEach((x, i) => assert.ok(Math.abs(x - two[i]) < 1e-4, `${i}: ${x}, not ${two[i]}`));
      }
    });

    test('changes of an input after the call have no effect', async () => {
      const found = await page.evaluate(async () => {
        const m = await model('/graphs/linear.onnx');
        const large = new Float32Array([9, 9, 1, 2]);
        const running = m.run({ x: pilot.tensor('float32', large.subarray(2), [1, 2]) });
        large.fill(0);
        const { y } = await running;
        await m.dispose();
        return [[...y.data], large.length];
      });
      assert.deepEqual(found, [[0, 12, 15.5], 4]);
    });

    test('invalid inputs are refused, and it keeps working', async () => {
      const [outcomes, after] = await page.evaluate(async () => {
        const { tensor } = pilot;
        const m = await model('/graphs/linear.onnx');
        const x = tensor('float32', [1, 2], [1, 2]);
        const calls = [
          () => m.run(),
          () => m.run({}),
          () => m.run({ x, more: x }),
          () => m.run({ y: x }),
          () => m.run({ x: [1, 2] }),
          () => m.run({ x: tensor('float64', [1, 2], [1, 2]) }),
          () => m.run({ x: tensor('float32', [1, 2, 3], [1, 3]) }),
          () => m.run({ x: tensor('float32', [1, 2], [2]) }),
          () => m.run({ x: { ...x, dims: [2, 2] } }),
          () => m.run({ x: { ...x, data: new Float32Array(3) } }),
          () => m.run({ x }, { sygnal: undefined }),
        ];
        const outcomes = [];
        for (const call of calls) outcomes.push(await outcome(call()));
        const { y } = await m.run({ x });
        await m.dispose();
        return [outcomes, [...y.data]];
      });
      for (const { error } of outcomes) typed(error, 'invalid-input');
      assert.deepEqual(after, [0, 12, 15.5]);
    });

    test('external data is loaded where it is named, and from nowhere else', async () => {
      page.requested.length = 0;
      const [named, found, outside, rooted, path] = await page.evaluate(async () => {
        const run = async (options) => {
          const m = await model('/graphs/external.onnx', options);
          const { y } = await m.run({ x: pilot.tensor('float32', [1, 2], [1, 2]) });
          await m.dispose();
          return [...y.data];
        };
        return [
          await run({ external_data: ['linear.onnx_data'] }),
          // The file says where its data are.
          await run({}),
          await outcome(model('/graphs/outside.onnx', { external_data: ['linear.onnx_data'] })),
          await outcome(model('/graphs/rooted.onnx', { external_data: ['linear.onnx_data'] })),
          await outcome(model('/graphs/external.onnx', { external_data: ['../linear.onnx_data'] })),
        ];
      });
      for (const values of [named, found]) assert.deepEqual(values, [0, 12, 15.5]);
      for (const { error } of [outside, rooted]) typed(error, 'invalid-artefact');
      typed(path.error, 'invalid-input');
      assert.deepEqual(
        [...new Set(page.requested.filter((path) => path.includes('data')))],
        ['/graphs/linear.onnx_data'],
      );
    });

    test('a requested dtype selects the file', async () => {
      const [q4, itself, none] = await page.evaluate(async () => {
        const run = async (file, dtype) => {
          const m = await model(file, { dtype });
          const { y } = await m.run({ x: pilot.tensor('float32', [1, 2], [1, 2]) });
          await m.dispose();
          return [m.dtype, ...y.data];
        };
        return [
          await run('/graphs/linear.onnx', 'q4'),
          await run('/graphs/linear_q4.onnx'),
          await outcome(model('/graphs/linear.onnx', { dtype: 'fp16' })),
        ];
      });
      assert.deepEqual(
        [q4, itself],
        [
          ['q4', 9, 12, 15],
          ['q4', 9, 12, 15],
        ],
      );
      typed(none.error, 'invalid-artefact');
      assert.match(none.error.message, /linear_fp16\.onnx/);
    });

    test('all unsupported operators are reported at load', async () => {
      const { error } = await page.evaluate(() => outcome(model('/graphs/unsupported.onnx')));
      typed(error, 'unsupported');
      assert.match(error.message, /Flibber/);
      assert.match(error.message, /Gibber/);
    });

    test('files that are not models are refused', async () => {
      const outcomes = await page.evaluate(async () => {
        const outcomes = {};
        for (const name of ['cut', 'empty', 'words', 'missing'])
          outcomes[name] = await outcome(model(`/graphs/${name}.onnx`));
        for (const [name, call] of Object.entries({
          nothing: () => model(''),
          folder: () => model('/graphs/'),
          option: () => model('/graphs/linear.onnx', { devise: 'wasm' }),
        })) {
          outcomes[name] = await outcome(call());
        }
        return outcomes;
      });
      for (const [name, { error }] of Object.entries(outcomes))
        typed(error, ['nothing', 'folder', 'option'].includes(name) ? 'invalid-input' : 'invalid-artefact');
    });

    test('a load and a call can be aborted, and a disposed model is refused', async () => {
      const [load, call, later] = await page.evaluate(async () => {
        const load = await outcome(model('/graphs/linear.onnx', { signal: AbortSignal.abort() }));
        const m = await model('/graphs/linear.onnx');
        const x = pilot.tensor('float32', [1, 2], [1, 2]);
        const controller = new AbortController();
        const running = outcome(m.run({ x }, { signal: controller.signal }));
        controller.abort();
        const call = await running;
        await m.dispose();
        return [load, call, await outcome(m.run({ x }))];
      });
      typed(load.error, 'cancelled');
      typed(call.error, 'cancelled');
      typed(later.error, 'invalid-input');
    });

    test('progress is reported to the end', async () => {
      const events = await page.evaluate(async () => {
        const events = [];
        const m = await model('/graphs/linear.onnx', {
          progress_callback: ({ status, file, loaded, total }) => events.push([status, file, loaded === total]),
        });
        await m.dispose();
        return events;
      });
      assert.deepEqual([events[0].slice(0, 2), events.at(-1)[0]], [['initiate', 'linear.onnx'], 'ready']);
      assert.ok(events.some(([status, , whole]) => status === 'progress' && whole));
    });
  });
}
