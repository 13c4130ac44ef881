// The engine and its supervisor, over a fake WebAssembly side: loading, order, aborts, panics,
// and the loss of the device.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { InPlaceConnection } from '../modules/page/connection.js';
import { Supervisor } from '../modules/page/supervisor.js';
import { PilotLightError } from '../modules/shared/errors.js';
import { Engine } from '../modules/worker/engine.js';
import { fakeFetch, fakeWasm } from './fake-wasm.mjs';

// The engines are in the page's own thread, where no device is measured.
globalThis.document = { baseURI: 'https://page.example/' };

const FOLDER = { url: 'https://page.example/models/m/', immutable: true };
const CONFIG = { 'https://page.example/models/m/config.json': () => Response.json({}) };
const MODEL = { task: 'text-classification', model: 'm', folder: FOLDER, options: {} };
const LOAD = { pipeline: MODEL, useBrowserCache: false };
const kind = (name) => (error) => error instanceof PilotLightError && error.kind === name;

const BASELINE = { relaxedSimd: false, noThreads: 'the page is not cross-origin isolated', cores: 4 };
const RELAXED = { ...BASELINE, relaxedSimd: true };
const THREADS = { ...RELAXED, noThreads: undefined };

/** A supervisor whose engines share the builds of one thread, as in place. */
function supervise({
  device = 'wasm',
  adapter = null,
  wasm = fakeWasm(),
  oneThread = true,
  features = BASELINE,
  broken = [],
  ...settings
} = {}) {
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu: { requestAdapter: async () => adapter } },
    configurable: true,
  });
  fakeFetch(CONFIG);
  const opened = [];
  const open = async (build, _, threads) => {
    opened.push(build);
    if (broken.includes(build)) throw new PilotLightError('backend-unavailable', `'${build}' is broken.`);
    return { wasm, threads: build === 'cpu-threads' ? threads : 1 };
  };
  const thread = () => ({ open, stopped: new Set(), features: () => features });
  const shared = thread();
  const connect = () => new InPlaceConnection(new Engine(oneThread ? shared : thread()));
  return {
    opened,
    log: wasm.log,
    supervisor: new Supervisor(connect, { device, wasmPaths: {}, cpuBuild: 'auto', numThreads: 0, ...settings }),
  };
}
const run = (supervisor, model, inputs, signal) =>
  supervisor.request(model, 'run', { inputs, options: {} }, { signal });
const labels = (output) => output.map(([first]) => first.label);

test('a model is loaded and run, and a visitor without an adapter never downloads the GPU build', async () => {
  const { supervisor, opened } = supervise({ device: 'auto' });
  const model = await supervisor.load(LOAD, {});
  assert.deepEqual(labels(await run(supervisor, model, ['a', 'b'])), ['a', 'b']);
  assert.deepEqual(
    [opened, model.info.device.kind, model.info.device.reason],
    [['cpu'], 'wasm', 'No WebGPU adapter was found.'],
  );
});

test('WebGPU is taken where it computes correctly, and given up where it does not', async () => {
  const right = supervise({ device: 'auto', adapter: {} });
  assert.equal((await right.supervisor.load(LOAD, {})).info.device.kind, 'webgpu');
  const wrong = supervise({ device: 'auto', adapter: { info: {} }, wasm: fakeWasm({ webgpu: false }) });
  const { device } = (await wrong.supervisor.load(LOAD, {})).info;
  assert.deepEqual([wrong.opened, device.kind], [['gpu', 'cpu'], 'wasm']);
  assert.match(device.reason, /golden input disagrees/);
});

test('an adapter that is software is left for the CPU, unless WebGPU is asked for', async () => {
  for (const adapter of [
    { info: { isFallbackAdapter: true } },
    { info: { vendor: 'google', architecture: 'swiftshader', isFallbackAdapter: true } },
    { info: {}, isFallbackAdapter: true },
    { isFallbackAdapter: true },
  ]) {
    const auto = supervise({ device: 'auto', adapter });
    const { device } = (await auto.supervisor.load(LOAD, {})).info;
    assert.deepEqual([auto.opened, device.kind, device.requested], [['cpu'], 'wasm', 'auto']);
    assert.match(device.reason, /The WebGPU adapter.* is software/);
    const asked = supervise({ device: 'webgpu', adapter });
    assert.equal((await asked.supervisor.load(LOAD, {})).info.device.kind, 'webgpu');
  }
  const hardware = supervise({ device: 'auto', adapter: { info: { isFallbackAdapter: false } } });
  assert.equal((await hardware.supervisor.load(LOAD, {})).info.device.kind, 'webgpu');
});

test('WebGPU that was requested and is not available is a typed error, and the next call tries again', async () => {
  const { supervisor } = supervise({ device: 'webgpu' });
  for (let i = 0; i < 2; i += 1) await assert.rejects(supervisor.load(LOAD, {}), kind('backend-unavailable'));
});

test('the CPU gets the best build that the browser can run', async () => {
  const cases = [
    [{ features: BASELINE }, 'cpu', 1],
    [{ features: RELAXED }, 'cpu-relaxed', 1],
    [{ features: THREADS }, 'cpu-threads', 2],
    [{ features: { ...THREADS, cores: 64 } }, 'cpu-threads', 4],
    [{ features: THREADS, numThreads: 3 }, 'cpu-threads', 3],
    [{ features: THREADS, numThreads: 1 }, 'cpu-relaxed', 1],
    [{ features: { ...THREADS, relaxedSimd: false } }, 'cpu', 1],
    [{ features: THREADS, cpuBuild: 'cpu' }, 'cpu', 1],
    [{ features: THREADS, cpuBuild: 'cpu-relaxed' }, 'cpu-relaxed', 1],
  ];
  for (const [settings, build, threads] of cases) {
    const { supervisor, opened } = supervise(settings);
    const { device } = (await supervisor.load(LOAD, {})).info;
    assert.deepEqual(
      [opened, device.build, device.threads, device.reason],
      [[build], build, threads, 'The CPU was asked for.'],
    );
  }
});

test('a build that was requested and cannot run is a typed error that says why', async () => {
  for (const [settings, message] of [
    [{ features: RELAXED, cpuBuild: 'cpu-threads' }, /not cross-origin isolated/],
    [{ features: BASELINE, cpuBuild: 'cpu-relaxed' }, /no relaxed SIMD/],
  ]) {
    await assert.rejects(
      supervise(settings).supervisor.load(LOAD, {}),
      (error) => kind('backend-unavailable')(error) && message.test(error.message),
    );
  }
});

test('a build that does not start leads to the next, and threads that were requested and are not available are reported', async () => {
  const { supervisor, opened } = supervise({ features: THREADS, broken: ['cpu-threads'] });
  const { device } = (await supervisor.load(LOAD, {})).info;
  assert.deepEqual([opened, device.build, device.threads], [['cpu-threads', 'cpu-relaxed'], 'cpu-relaxed', 1]);
  assert.match(device.reason, /'cpu-threads' is broken/);
  const alone = (await supervise({ features: RELAXED, numThreads: 2 }).supervisor.load(LOAD, {})).info.device;
  assert.deepEqual([alone.build, alone.threads], ['cpu-relaxed', 1]);
  assert.match(alone.reason, /one thread: the page is not cross-origin isolated/);
});

test('files come in rounds, weights in slices, an optional one may be missing', async () => {
  const wasm = fakeWasm({
    rounds: [
      [
        { name: 'config.json', optional: false },
        { name: 'pilot.json', optional: true },
      ],
      [{ name: 'w', optional: false }],
    ],
  });
  const { supervisor } = supervise({ wasm });
  fakeFetch({ ...CONFIG, [`${FOLDER.url}w`]: () => new Response(new Uint8Array(5 << 20)) });
  const events = [];
  await supervisor.load(LOAD, { onProgress: (info) => events.push(info.status) });
  assert.deepEqual(
    wasm.log.filter(([what, name]) => what !== 'supply' || name === 'w'),
    [['missing', 'pilot.json'], ...Array(5).fill(['supply', 'w', 1 << 20, false]), ['supply', 'w', 0, true]],
  );
  assert.deepEqual([events[0], events.at(-1), events.includes('progress_total')], ['initiate', 'ready', true]);
});

test('a wrong file ends the load with its address and frees the loader', async () => {
  const { supervisor, log } = supervise();
  const page = () => new Response('<!doctype html>', { headers: { 'content-type': 'text/html' } });
  fakeFetch({ [`${FOLDER.url}config.json`]: page });
  await assert.rejects(
    supervisor.load(LOAD, {}),
    (error) => kind('invalid-artefact')(error) && error.message.includes('config.json is an HTML page'),
  );
  fakeFetch({});
  await assert.rejects(supervisor.load(LOAD, {}), kind('invalid-artefact'));
  assert.deepEqual(log, [['free loader'], ['free loader']]);
});

test('files that the loader refuses are taken out of the cache, but for lack of memory or where their digest is known', async () => {
  const right = createHash('sha256').update('{}').digest('hex');
  const known = { name: 'known', optional: false, bytes: 2, sha256: right };
  for (const refuses of ['memory', 'supply', 'wants', 'finish', undefined]) {
    const entries = new Map();
    const cache = {
      match: async (url) => entries.get(url)?.clone(),
      put: async (url, response) => void entries.set(url, response),
      delete: async (url) => entries.delete(url),
    };
    Object.defineProperty(globalThis, 'caches', { value: { open: async () => cache }, configurable: true });
    const { supervisor } = supervise({
      wasm: fakeWasm({ rounds: [[{ name: 'config.json', optional: false }], [known]], refuses }),
    });
    fakeFetch({ ...CONFIG, [`${FOLDER.url}known`]: () => Response.json({}) });
    const load = supervisor.load({ ...LOAD, useBrowserCache: true }, {});
    if (refuses === undefined) await load;
    else await assert.rejects(load, ({ kind }) => (refuses === 'memory') === (kind === 'invalid-input'));
    const names = [...entries.keys()].map((url) => url.slice(FOLDER.url.length));
    assert.deepEqual(
      names,
      { memory: ['config.json'], supply: [], wants: ['known'], finish: ['known'] }[refuses] ?? ['config.json', 'known'],
      refuses,
    );
  }
  delete globalThis.caches;
});

test('many inputs go in batches of 32, and an abort is noticed between them', async () => {
  const { supervisor, log } = supervise();
  const model = await supervisor.load(LOAD, {});
  const inputs = Array.from({ length: 70 }, (_, i) => `text ${i}`);
  assert.deepEqual(labels(await run(supervisor, model, inputs)), inputs);
  assert.deepEqual(
    log.filter(([what]) => what === 'run').map(([, , count]) => count),
    [32, 32, 6],
  );
  const controller = new AbortController();
  const aborted = run(supervisor, model, inputs, controller.signal);
  controller.abort('enough');
  await assert.rejects(aborted, (error) => error.name === 'AbortError' && error.cause === 'enough');
  assert.deepEqual(labels(await run(supervisor, model, ['after'])), ['after']);
});

test('an error about one of several inputs has its index among all of them', async () => {
  const { supervisor } = supervise();
  const model = await supervisor.load(LOAD, {});
  for (const [index, count] of [
    [0, 2],
    [31, 33],
    [40, 41],
    [64, 65],
  ]) {
    const inputs = Array.from({ length: count }, (_, i) => (i === index ? 'long' : `text ${i}`));
    await assert.rejects(run(supervisor, model, inputs), {
      kind: 'invalid-input',
      index,
      message: `Input ${index}: the text is too long`,
    });
  }
  await assert.rejects(run(supervisor, model, ['long']), { index: 0, message: 'the text is too long' });
  const cascade = await supervisor.load(cascadeOf(), {});
  const question = { inputs: ['a', 'b', 'long'], options: {}, thresholds: [0.9], must_stay_local: false };
  await assert.rejects(supervisor.request(cascade, 'decide', question), { index: 2, message: /^Input 2: / });
});

test('embeddings of several batches come as one', async () => {
  const { supervisor } = supervise();
  const model = await supervisor.load({ ...LOAD, pipeline: { ...MODEL, task: 'feature-extraction' } }, {});
  const { dims, data } = await run(
    supervisor,
    model,
    Array.from({ length: 33 }, () => 'ab'),
  );
  assert.deepEqual([dims, data.length, data[64]], [[33, 2], 66, 2]);
});

test('an error of the model is its own, and the engine goes on', async () => {
  const { supervisor, opened } = supervise();
  const model = await supervisor.load(LOAD, {});
  await assert.rejects(run(supervisor, model, ['refuse']), kind('invalid-input'));
  assert.deepEqual(labels(await run(supervisor, model, ['a'])), ['a']);
  assert.deepEqual(opened, ['cpu']);
});

test('a panic rejects what was pending; the next call gets a fresh engine with its model', async () => {
  const { supervisor, opened } = supervise({ oneThread: false });
  const model = await supervisor.load(LOAD, {});
  const [first, second] = await Promise.allSettled([
    run(supervisor, model, ['panic']),
    run(supervisor, model, ['behind it']),
  ]);
  for (const { reason } of [first, second]) assert.deepEqual([reason.kind, reason.retryable], ['internal', true]);
  assert.deepEqual(labels(await run(supervisor, model, ['a'])), ['a']);
  assert.deepEqual(opened, ['cpu', 'cpu']);
});

test('in place, a panic leaves the other build, and after that a typed error', async () => {
  const { supervisor, opened } = supervise();
  const model = await supervisor.load(LOAD, {});
  for (let i = 0; i < 2; i += 1) await assert.rejects(run(supervisor, model, ['panic']), kind('internal'));
  assert.deepEqual(opened, ['cpu', 'gpu']);
  await assert.rejects(run(supervisor, model, ['a']), /worker: true/);
});

test('a panic that leaves its promise pending is noticed by its uncaught error', async () => {
  const target = new EventTarget();
  globalThis.addEventListener = target.addEventListener.bind(target);
  try {
    const { supervisor, log } = supervise();
    const model = await supervisor.load(LOAD, {});
    const hanging = run(supervisor, model, ['hang']);
    while (!log.some(([what]) => what === 'run')) await new Promise(setImmediate);
    const event = new Event('error', { cancelable: true });
    target.dispatchEvent(Object.assign(event, { error: new WebAssembly.RuntimeError('unreachable') }));
    await assert.rejects(hanging, kind('internal'));
    assert.equal(event.defaultPrevented, true);
  } finally {
    delete globalThis.addEventListener;
  }
});

test('the loss of the device moves the work to the CPU, repeats it there and says so', async () => {
  const { supervisor, opened } = supervise({ device: 'auto', adapter: {} });
  const model = await supervisor.load(LOAD, {});
  const [first, second] = await Promise.all([run(supervisor, model, ['lose']), run(supervisor, model, ['behind it'])]);
  assert.deepEqual([labels(first), labels(second)], [['lose'], ['behind it']]);
  assert.deepEqual([opened, model.info.device.kind], [['gpu', 'cpu'], 'wasm']);
  assert.match(model.info.device.reason, /the device was lost/);
});

test('a panic on the GPU is taken for the loss of the device', async () => {
  const { supervisor, log } = supervise({ device: 'auto', adapter: {} });
  const model = await supervisor.load(LOAD, {});
  await assert.rejects(run(supervisor, model, ['panic']), kind('internal'));
  assert.deepEqual(
    log.filter(([what]) => what === 'run').map(([, device]) => device),
    ['webgpu', 'wasm'],
  );
});

test('a GPU that gives no answer is given up for the CPU, unless it is software', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const stalled = async (settings) => {
    const { supervisor, log } = supervise(settings);
    const model = await supervisor.load(LOAD, {});
    const running = run(supervisor, model, ['stall']);
    while (!log.some(([what]) => what === 'run')) await new Promise(setImmediate);
    t.mock.timers.tick(60_000);
    return { model, running };
  };
  const { model, running } = await stalled({ device: 'auto', adapter: {} });
  assert.deepEqual(labels(await running), ['stall']);
  assert.equal(model.info.device.kind, 'wasm');
  assert.match(model.info.device.reason, /WebGPU was given up for the CPU\. .* no answer within 60 s/);
  const slow = await stalled({ device: 'webgpu', adapter: { info: { isFallbackAdapter: true } } });
  assert.equal(
    await Promise.race([slow.running, new Promise((resolve) => setImmediate(resolve, 'it waits'))]),
    'it waits',
  );
});

test('an aborted load leaves nothing behind', async () => {
  const { supervisor, log } = supervise();
  const controller = new AbortController();
  fakeFetch({ [`${FOLDER.url}config.json`]: () => (controller.abort(), Response.json({})) });
  await assert.rejects(supervisor.load(LOAD, { signal: controller.signal }), kind('cancelled'));
  fakeFetch(CONFIG);
  const model = await supervisor.load(LOAD, {});
  assert.deepEqual(
    log.filter(([what]) => what.startsWith('free')),
    [['free loader']],
  );
  await supervisor.notify(model, 'dispose', {});
  assert.deepEqual(log.at(-1), ['free pipeline']);
});

/** A cascade of one local model, and of those behind it. */
const cascadeOf = (next = []) => ({ cascade: { models: [MODEL, ...next], config: {} }, useBrowserCache: false });

test('the local models of a cascade are loaded one after the other and freed together', async () => {
  const { supervisor, log } = supervise();
  const next = (url) => [{ ...MODEL, model: '/models/next', folder: { ...FOLDER, url }, options: { dtype: 'q8' } }];
  const other = `${FOLDER.url}next/`;
  const requests = fakeFetch({ ...CONFIG, [`${other}config.json`]: () => Response.json({}) });
  const model = await supervisor.load(cascadeOf(next(other)), {});
  assert.deepEqual(requests.slice(-2), [`GET ${FOLDER.url}config.json`, `GET ${other}config.json`]);
  assert.deepEqual(model.info.thresholds, [0.5, 0.5]);
  await supervisor.notify(model, 'dispose', {});
  assert.deepEqual(log.at(-1), ['free cascade']);
  // One that cannot be loaded frees those before it.
  const freed = () => log.filter(([what]) => what === 'free loader').length;
  const before = freed();
  fakeFetch(CONFIG);
  await assert.rejects(supervisor.load(cascadeOf(next(other)), {}), kind('invalid-artefact'));
  assert.equal(freed() - before, 2);
});

test('a question of an engine that is gone is decided again and gets the same event', async () => {
  const { supervisor } = supervise({ oneThread: false });
  const model = await supervisor.load(cascadeOf(), {});
  const question = { inputs: ['hard'], options: {}, thresholds: [0.9], must_stay_local: false };
  const { steps, generation } = await supervisor.request(model, 'decide', question);
  await assert.rejects(supervisor.request(model, 'decide', { ...question, inputs: ['panic'] }), kind('internal'));
  const event = { type: 'response', status: 200, body: '{}', elapsed_ms: 1 };
  const { call } = steps[0].delegate;
  const {
    turn: { step },
  } = await supervisor.request(model, 'receive', { ...question, call, generation, stream: false, event });
  assert.deepEqual([step.done.output, step.done.route], ['hard', 'remote']);
});

const GRAPH = {
  graph: { model: 'm', folder: FOLDER, options: {}, file: 'm.onnx', external_data: ['m.onnx_data'], graph: {} },
  useBrowserCache: false,
};
const FILES = Object.fromEntries(
  ['m.onnx', 'm.onnx_data'].map((name) => [FOLDER.url + name, () => new Response(new Uint8Array(3))]),
);
const numbers = (first) => [
  { name: 'x', type: 'float32', dims: [1, 2], bytes: new Uint8Array(Float32Array.of(first, 5).buffer) },
];
const infer = async (supervisor, model, first, signal) => {
  const [{ name, bytes }] = await supervisor.request(model, 'runGraph', { inputs: numbers(first) }, { signal });
  return [name, ...new Float32Array(bytes.slice().buffer)];
};

test('a graph is loaded with its external data, reports its ports, is run and freed', async () => {
  const { supervisor, log } = supervise();
  const requests = fakeFetch(FILES);
  const model = await supervisor.load(GRAPH, {});
  assert.deepEqual(requests.toSorted(), [`GET ${FOLDER.url}m.onnx`, `GET ${FOLDER.url}m.onnx_data`]);
  assert.deepEqual(
    [model.info.inputs, model.info.outputs],
    [[{ name: 'x', type: 'float32', dims: ['batch', 2] }], [{ name: 'y', type: 'float32', dims: undefined }]],
  );
  assert.deepEqual(await infer(supervisor, model, 7), ['y', 7, 5]);
  await assert.rejects(infer(supervisor, model, 2), kind('invalid-input'));
  await assert.rejects(infer(supervisor, model, 7, AbortSignal.abort()), kind('cancelled'));
  await supervisor.notify(model, 'dispose', {});
  assert.deepEqual(log.at(-1), ['free graph']);
  await assert.rejects(
    supervisor.load({ ...GRAPH, graph: { ...GRAPH.graph, external_data: ['../m'] } }, {}),
    kind('invalid-input'),
  );
});

test('a graph that loses its device is loaded again on the CPU and run there', async () => {
  const { supervisor, log } = supervise({ device: 'auto', adapter: {} });
  fakeFetch(FILES);
  const model = await supervisor.load(GRAPH, {});
  assert.deepEqual(await infer(supervisor, model, 3), ['y', 3, 5]);
  assert.deepEqual(
    log.filter(([what]) => what === 'runGraph').map(([, device]) => device),
    ['webgpu', 'wasm'],
  );
  assert.match(model.info.device.reason, /the device was lost/);
});
