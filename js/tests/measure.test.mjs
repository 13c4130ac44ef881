// The choice of the device by measurement, with a GPU and a CPU whose times are given.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { PilotLightError } from '../modules/shared/errors.js';
import { measureTokens, placeModels, placementOf, placeRuns, tokenPlacementOf } from '../modules/worker/measure.js';

const { now } = performance;
afterEach(() => {
  performance.now = now;
});

/**
 * A device and a model on it: `gpu` and `cpu` give the milliseconds of a text of so many tokens, and `compile` is added to the
 * first run on the GPU. The clock stands still but for them.
 */
function machine({ gpu, cpu, compile = 0 }) {
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
    device: { shareWithCpu: (tokens) => (share = tokens) },
    run: async (words) => {
      const tokens = words + 2;
      const on = tokens <= share ? 'cpu' : 'gpu';
      runs.push(`${on} ${tokens}`);
      clock += on === 'cpu' ? cpu(tokens) : gpu(tokens) + (compiled ? 0 : compile);
      compiled ||= on === 'gpu';
    },
  };
}

const place = ({ device, run }) => placeRuns(device, run, 'model');

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
  await mixed.run(38);
  await mixed.run(39);
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
    assert.deepEqual(slow.runs, ['gpu 16', 'cpu 16', 'gpu 16']);
    assert.equal(slow.share > 1e9, gpu > cpu, reason);
  }
});

test('a run that fails is the error of the load', async () => {
  const device = { shareWithCpu: () => undefined };
  await assert.rejects(
    placeRuns(device, () => Promise.reject(new Error('lost')), 'model'),
    /lost/,
  );
});

test('equal times are the GPU’s', () => {
  const times = [16, 128].map((tokens) => ({ tokens, gpu: 1, cpu: 1 }));
  assert.equal(placementOf(times).cpuTokens, 0);
  // A GPU that is faster for short texts alone is not trusted to be so by more than noise: it takes no long ones.
  assert.ok(
    placementOf([
      { tokens: 16, gpu: 1, cpu: 2 },
      { tokens: 128, gpu: 9, cpu: 8 },
    ]).cpuTokens > 1e9,
  );
});

test('a model that refuses the texts is loaded without being measured; a lost device is not passed over', async () => {
  const place = (error) => {
    const shares = [];
    const device = { shareWithCpu: (tokens) => shares.push(tokens) };
    const opened = { wasm: { Device: { version: () => '1' } }, report: { kind: 'webgpu', requested: 'auto' } };
    const pipeline = { run: () => Promise.reject(error) };
    const args = { pipeline: { task: 'text-classification', model: 'm', folder: {}, options: {} } };
    return placeModels(opened, args, [device], [pipeline]).then((measured) => ({ measured, shares }));
  };
  const { measured, shares } = await place(new PilotLightError('invalid-input', 'too long'));
  assert.deepEqual(measured, { reasons: ['It was not measured: too long'], onCpu: false });
  assert.equal(shares.at(-1), 0);
  await assert.rejects(place(new PilotLightError('device-lost', 'gone')), /gone/);
  await assert.rejects(place(new WebAssembly.RuntimeError('unreachable')), WebAssembly.RuntimeError);
});

test('a model that generates text is on the device that is faster for a token', async () => {
  assert.deepEqual(tokenPlacementOf({ gpu: 2, cpu: 12.34 }), {
    cpuTokens: 0,
    reason: 'Measured: a token takes 2.0 ms on the GPU and 12 ms on the CPU.',
  });
  const left = tokenPlacementOf({ gpu: 20, cpu: 12 });
  assert.equal(left.cpuTokens, ALL);
  assert.match(left.reason, /All runs are left to the CPU/);
  const shares = [];
  const times = await measureTokens({ shareWithCpu: (share) => shares.push(share) }, async (tokens) => {
    assert.equal(tokens, 3);
  });
  // The first run on the GPU, which compiles, does not count.
  assert.deepEqual(shares, [0, ALL, 0]);
  assert.deepEqual(Object.keys(times).sort(), ['cpu', 'gpu']);
});
