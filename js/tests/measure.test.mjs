// The choice of the device by measurement, with a GPU and a CPU whose times are given.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { PilotLightError } from '../modules/shared/errors.js';
import {
  isForGpu,
  placeGenerator,
  placeGraph,
  placeModels,
  placementOf,
  placeRuns,
} from '../modules/worker/measure.js';
import { generatorSamples } from '../modules/worker/samples.js';

const { now } = performance;
afterEach(() => {
  performance.now = now;
});

/**
 * A device and a model on it: `gpu` and `cpu` give the milliseconds of so many elements, and `compile` is added to the
 * first run on the GPU. The clock stands still but for them. With `asks` a run on the CPU asks every ten milliseconds whether to
 * go on.
 */
function machine({ gpu, cpu, compile = 0, asks = false }) {
  let [clock, share, compiled] = [0, 0, false];
  const runs = [];
  performance.now = () => clock;
  return {
    runs,
    get share() {
      return share;
    },
    get spent() {
      return clock;
    },
    device: { shareWithCpu: (elements) => (share = elements) },
    run: async (elements, goOn) => {
      const on = elements <= share ? 'cpu' : 'gpu';
      runs.push(`${on} ${elements}`);
      let left = on === 'cpu' ? cpu(elements) : gpu(elements) + (compiled ? 0 : compile);
      compiled ||= on === 'gpu';
      for (; asks && on === 'cpu' && left > 10; left -= 10) {
        clock += 10;
        if (!(await goOn())) return false;
      }
      clock += left;
    },
  };
}

const place = ({ device, run }) => {
  const sample = (tokens) => ({ elements: tokens, name: `${tokens} tokens`, run: (goOn) => run(tokens, goOn) });
  return placeRuns(device, [16, 128].map(sample), 'model');
};

test('a fast GPU takes all runs, and its first one is not counted', async () => {
  const fast = machine({ gpu: () => 2, cpu: (tokens) => tokens / 4, compile: 900 });
  const { reason } = await place(fast);
  assert.equal(fast.share, 0);
  assert.equal(
    reason,
    'Measured: 16 tokens take 2.0 ms on the GPU and 4.0 ms on the CPU, 128 tokens take 2.0 ms on the GPU and 32 ms on the CPU.',
  );
});

test('a slow GPU takes none', async () => {
  const slow = machine({ gpu: (tokens) => tokens * 2, cpu: (tokens) => tokens / 16 });
  const { reason } = await place(slow);
  assert.ok(slow.share > 1e9);
  assert.match(reason, /All runs are left to the CPU\.$/);
  // The long text would have taken longer than there is time.
  assert.ok(
    slow.runs.every((run) => run.endsWith(' 16')),
    slow.runs.join(),
  );
  assert.ok(slow.spent <= 200, `${slow.spent} ms`);
});

test('a GPU that pays for long texts alone takes these', async () => {
  const mixed = machine({ gpu: () => 5, cpu: (tokens) => tokens / 8 });
  await place(mixed);
  // The lines cross where tokens / 8 is 5.
  assert.equal(mixed.share, 40);
  mixed.runs.length = 0;
  await mixed.run(40);
  await mixed.run(41);
  assert.deepEqual(mixed.runs, ['cpu 40', 'gpu 41']);
});

test('measuring ends in time, and however slow one device is, each was run', async () => {
  for (const [gpu, cpu] of [
    [400, 1],
    [1, 400],
    [400, 400],
  ]) {
    const slow = machine({ gpu: () => gpu, cpu: () => cpu });
    const { reason } = await place(slow);
    assert.deepEqual(slow.runs, ['gpu 16', 'gpu 16', 'cpu 16']);
    assert.equal(slow.share > 1e9, gpu > cpu, reason);
  }
});

test('a run on the CPU that can be stopped is, at the end of the time, and the GPU takes such runs', async () => {
  const slow = machine({ gpu: () => 5, cpu: () => 3000, asks: true });
  const { reason } = await place(slow);
  assert.deepEqual(slow.runs, ['gpu 16', 'gpu 16', 'cpu 16']);
  assert.equal(reason, 'Measured: 16 tokens take 5.0 ms on the GPU and too long on the CPU.');
  assert.equal(slow.share, 0);
  assert.ok(slow.spent <= 120, `${slow.spent} ms`);
  // One that takes longer than there is time, and less than the GPU, is not.
  const slower = machine({ gpu: () => 900, cpu: () => 180, asks: true });
  await place(slower);
  assert.ok(slower.share > 1e9, String(slower.share));
});

test('a run that fails is the error of the load', async () => {
  const device = { shareWithCpu: () => undefined };
  const sample = { elements: 16, name: '16 tokens', run: () => Promise.reject(new Error('lost')) };
  await assert.rejects(placeRuns(device, [sample], 'model'), /lost/);
});

const OPENED = { wasm: { Device: { version: () => '1' } }, report: { kind: 'webgpu', requested: 'auto' } };

/** What is measured of a graph with these inputs on the machine `on`, and the inputs of its runs. */
async function graph(inputs, on) {
  const given = [];
  const completes = (tensors, goOn) => {
    given.push(tensors);
    return on.run(Math.max(...tensors.map(({ dims }) => dims.reduce((a, b) => a * b, 1))), goOn);
  };
  const file = { folder: {}, file: 'model.onnx', options: {}, graph: {} };
  return { measured: await placeGraph(OPENED, file, on.device, { inputs, completes }), given };
}

test('a graph is measured at its own shape, or at two where dimensions are free', async () => {
  const fixed = machine({ gpu: () => 9, cpu: () => 3 });
  const picture = await graph([{ name: 'x', type: 'float32', dims: ['n', 3, 8, 8] }], fixed);
  const measured = 'Measured: inputs of 1 × 3 × 8 × 8 take 9.0 ms on the GPU and 3.0 ms on the CPU.';
  assert.deepEqual(picture.measured, { reasons: [`${measured} All runs are left to the CPU.`], onCpu: true });
  assert.deepEqual(picture.given[0], [{ name: 'x', type: 'float32', dims: [1, 3, 8, 8], bytes: new Uint8Array(768) }]);

  const text = machine({ gpu: () => 5, cpu: (elements) => elements / 8 });
  const ports = [
    { name: 'ids', type: 'int64', dims: ['batch', 'length'] },
    { name: 'mask', type: 'bool', dims: ['batch', ''] },
  ];
  const { given } = await graph(ports, text);
  assert.equal(text.share, 40);
  assert.deepEqual(new BigInt64Array(given[0][0].bytes.buffer), new BigInt64Array(16).fill(1n));
  assert.deepEqual(given.at(-1)[1], { name: 'mask', type: 'bool', dims: [1, 128], bytes: new Uint8Array(128).fill(1) });
});

test('a model that only the GPU can run is not measured', async () => {
  const on = machine({ gpu: () => 9, cpu: () => 3 });
  const model = { folder: { url: '/models/' }, file: 'large.gguf', options: {} };
  const measured = await placeGenerator(OPENED, model, on.device, { needsGpu: true });
  assert.match(measured.reasons[0], /too large for the memory of WebAssembly/);
  assert.deepEqual([measured.onCpu, on.runs, on.share], [false, [], 0]);
  // It is known before it is loaded where the GPU was asked for, and in the page's own thread, which has no time to measure.
  assert.equal(await isForGpu(OPENED, model), false);
  const report = { kind: 'webgpu', requested: 'webgpu' };
  assert.equal(await isForGpu({ ...OPENED, report }, model), true);
  assert.equal(await isForGpu({ ...OPENED, report: { kind: 'wasm', requested: 'auto' } }, model), false);
});

test('a graph of which too little is known is not measured', async () => {
  for (const [input, why] of [
    [{ name: 'x', type: 'string', dims: [1] }, /the input 'x'/],
    [{ name: 'x', type: 'float32', dims: undefined }, /the input 'x'/],
    [{ name: 'x', type: 'float32', dims: [1, 9000, 9000] }, /too large/],
  ]) {
    const on = machine({ gpu: () => 9, cpu: () => 3 });
    const { measured, given } = await graph([input], on);
    assert.match(measured.reasons[0], why);
    assert.deepEqual([measured.onCpu, given.length, on.share], [false, 0, 0]);
  }
});

test('tasks on files, sounds and pictures are measured with inputs of their own', async () => {
  for (const [task, name] of [
    ['file-classification', '4096 bytes'],
    ['voice-activity-detection', '8192 samples'],
    ['image-to-text', '64 × 64 pixels'],
  ]) {
    const on = machine({ gpu: () => 9, cpu: () => 3 });
    const given = [];
    const pipeline = { run: ([input], options) => on.run(given.push({ input, options })) };
    const args = { pipeline: { task, model: 'm', folder: {}, options: {} } };
    const { reasons, onCpu } = await placeModels(OPENED, args, [on.device], [pipeline]);
    assert.ok(reasons[0].startsWith(`Measured: ${name} take 9.0 ms on the GPU and 3.0 ms on the CPU`), reasons[0]);
    assert.ok(onCpu && given.length > 0);
  }
});

test('equal times are the GPU’s', () => {
  const times = [16, 128].map((elements) => ({ elements, name: '', gpu: 1, cpu: 1 }));
  assert.equal(placementOf(times).cpuElements, 0);
  // A GPU that is faster for short texts alone is not trusted to be so by more than noise: it takes no long ones.
  assert.ok(
    placementOf([
      { elements: 16, name: '', gpu: 1, cpu: 2 },
      { elements: 128, name: '', gpu: 9, cpu: 8 },
    ]).cpuElements > 1e9,
  );
});

test('a model that refuses the texts is loaded without being measured; a lost device is not passed over', async () => {
  const place = (error) => {
    const shares = [];
    const device = { shareWithCpu: (tokens) => shares.push(tokens) };
    const pipeline = { run: () => Promise.reject(error) };
    const args = { pipeline: { task: 'text-classification', model: 'm', folder: {}, options: {} } };
    return placeModels(OPENED, args, [device], [pipeline]).then((measured) => ({ measured, shares }));
  };
  const { measured, shares } = await place(new PilotLightError('invalid-input', 'too long'));
  assert.deepEqual(measured, { reasons: ['It was not measured: too long'], onCpu: false });
  assert.equal(shares.at(-1), 0);
  await assert.rejects(place(new PilotLightError('device-lost', 'gone')), /gone/);
  await assert.rejects(place(new WebAssembly.RuntimeError('unreachable')), WebAssembly.RuntimeError);
});

test('a model that generates text is wholly on the device that is faster for a token', async () => {
  const replies = [];
  const generator = {
    start(_prompt, options) {
      const reply = { left: options.max_new_tokens, stopped: true };
      replies.push(reply);
      return {
        get complete() {
          return reply.left === 0;
        },
        step: async (goOn) => {
          if (await goOn()) reply.left -= 1;
        },
        finish: () => (reply.stopped = reply.left > 0),
      };
    },
  };
  const [sample, ...others] = generatorSamples(generator);
  assert.deepEqual([sample.name, others], ['replies of 3 tokens', []]);
  assert.equal(await sample.run(async () => true), true);
  let turns = 0;
  assert.equal(await sample.run(async () => (turns += 1) < 3), false);
  assert.deepEqual(replies, [
    { left: 0, stopped: false },
    { left: 2, stopped: true },
  ]);
  // A trap stays one: what it has left cannot be finished.
  const trapping = () => ({
    complete: false,
    step: () => Promise.reject(new WebAssembly.RuntimeError('unreachable')),
    finish: () => assert.fail('it was borrowed'),
  });
  const [trap] = generatorSamples({ start: trapping });
  await assert.rejects(
    trap.run(async () => true),
    WebAssembly.RuntimeError,
  );
  const { name, elements } = sample;
  assert.equal(placementOf([{ name, elements, gpu: 2, cpu: 12 }]).cpuElements, 0);
  assert.equal(placementOf([{ name, elements, gpu: 20, cpu: 12 }]).cpuElements, 0xffff_ffff);
});
