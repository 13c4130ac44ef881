// Unit tests of what needs neither a browser nor a model: names, errors, progress, queues, shared values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverAddress } from '../modules/cascade/http-transport.js';
import { Progress } from '../modules/io/progress.js';
import { env } from '../modules/page/env.js';
import { checkEnv, checkLoadingOptions } from '../modules/page/load-options.js';
import { absolutePaths, resolveFile, resolveModel, workerAddress } from '../modules/page/resolve.js';
import { abortable, withController } from '../modules/shared/abort.js';
import { describe, refuseUnknown, toTexts } from '../modules/shared/check.js';
import {
  atInput,
  cancelled,
  fromFacts,
  isTrap,
  PilotLightError,
  toFacts,
  toPilotLightError,
} from '../modules/shared/errors.js';
import { JobQueue } from '../modules/shared/job-queue.js';
import { BUILDS, CPU_BUILD_CHOICES } from '../modules/shared/lists.js';
import { SharedMap } from '../modules/shared/shared-map.js';
import { deviceReport } from '../modules/worker/device-report.js';
import { concatFeatures } from '../modules/worker/features.js';

const BASE = 'https://page.example/app/index.html';
const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const kind = (name) => (error) => error instanceof PilotLightError && error.kind === name;

test('importing the package needs no browser and runs nothing', async () => {
  const names = Object.keys(await import('../modules/index.js')).sort();
  assert.deepEqual(names, ['PilotLightError', 'cascade', 'env', 'model', 'openai', 'pipeline', 'tensor']);
});

test('the report of a model on WebGPU says what runs on the CPU', () => {
  const webgpu = { kind: 'webgpu', reason: 'It agrees.' };
  assert.match(deviceReport(webgpu, { integerOperators: true }).reason, /It agrees. .* integers run on the CPU/);
  assert.deepEqual(deviceReport(webgpu, { integerOperators: false }), webgpu);
  const measured = (onCpu) => ({ reasons: ['One takes 1 ms.', 'The other 2.'], onCpu });
  assert.deepEqual(deviceReport(webgpu, { integerOperators: false, measured: measured(false) }), {
    kind: 'webgpu',
    reason: 'It agrees. One takes 1 ms. The other 2.',
  });
  const left = deviceReport({ ...webgpu, adapter: 'a card' }, { integerOperators: false, measured: measured(true) });
  assert.deepEqual([left.kind, left.adapter], ['wasm', '']);
  const wasm = { kind: 'wasm', reason: 'It was asked for.' };
  assert.equal(deviceReport(wasm, { integerOperators: true }), wasm);
});

test('a model is a folder of the page, at an address or at the host that was set', () => {
  const hub = { ...env, remoteHost: 'https://hub.example' };
  const cases = [
    ['/models/spam', undefined, env, 'https://page.example/models/spam/'],
    ['./spam/', undefined, env, 'https://page.example/app/spam/'],
    ['../spam', undefined, hub, 'https://page.example/spam/'],
    ['https://other.example/m?x=1', undefined, env, 'https://other.example/m/?x=1'],
    ['spam', undefined, env, 'https://page.example/models/spam/'],
    ['org/spam', undefined, env, 'https://page.example/models/org/spam/'],
    ['org/spam', COMMIT, hub, `https://hub.example/org/spam/resolve/${COMMIT}/`],
  ];
  for (const [model, revision, settings, url] of cases)
    assert.equal(resolveModel(model, revision, settings, BASE).url, url);
  assert.equal(resolveModel('org/spam', COMMIT, hub, BASE).immutable, true);
  assert.equal(resolveModel('org/spam', 'v1.0', hub, BASE).immutable, false);
});

test('the addresses of extensions and apps are addresses', () => {
  const extension = 'chrome-extension://abcdef';
  const cases = [
    [`${extension}/models/spam`, BASE, `${extension}/models/spam/`],
    ['moz-extension://1-2/m/', BASE, 'moz-extension://1-2/m/'],
    ['tauri://localhost/m', BASE, 'tauri://localhost/m/'],
    ['capacitor://localhost/m', BASE, 'capacitor://localhost/m/'],
    ['file:///models/m', BASE, 'file:///models/m/'],
    ['/models/spam', `${extension}/page.html`, `${extension}/models/spam/`],
    ['spam', 'tauri://localhost/', 'tauri://localhost/models/spam/'],
  ];
  for (const [model, base, url] of cases) assert.equal(resolveModel(model, undefined, env, base).url, url);
  for (const [address, url, file] of [
    [`${extension}/m/x.onnx`, `${extension}/m/`, 'x.onnx'],
    ['tauri://localhost/m/x.onnx?v=1', 'tauri://localhost/m/', 'x.onnx?v=1'],
    ['https://host.example//m/x.onnx', 'https://host.example//m/', 'x.onnx'],
  ]) {
    const place = resolveFile(address, undefined, env, BASE);
    assert.deepEqual([place.folder.url, place.file], [url, file]);
  }
});

test('the address of the worker is relative to the page, and next to the scripts by default', () => {
  assert.equal(workerAddress(env, BASE), undefined);
  for (const [workerUrl, url] of [
    ['/pilot-light/worker.js', 'https://page.example/pilot-light/worker.js'],
    ['worker.js', 'https://page.example/app/worker.js'],
    [new URL('https://cdn.example/worker.js'), 'https://cdn.example/worker.js'],
  ])
    assert.equal(workerAddress({ ...env, workerUrl }, BASE), url);
  assert.throws(() => workerAddress({ ...env, workerUrl: 'http://' }, BASE), kind('invalid-input'));
});

test('a malformed name and a revision that moves are refused', () => {
  const hub = { ...env, remoteHost: 'https://hub.example/' };
  for (const model of ['', ' ', 7, undefined, 'a/../../b', 'file:x', 'a?b'])
    assert.throws(() => resolveModel(model, undefined, env, BASE), kind('invalid-input'));
  for (const revision of [undefined, '', 'main', 'HEAD'])
    assert.throws(() => resolveModel('org/spam', revision, hub, BASE), kind('invalid-input'));
  assert.throws(() => resolveModel('spam', undefined, env, undefined), kind('invalid-input'));
});

test('a file is one of the page, at an address or at the host that was set', () => {
  const hub = { ...env, remoteHost: 'https://hub.example' };
  const cases = [
    ['/models/x/model.onnx', env, 'https://page.example/models/x/', 'model.onnx'],
    ['./model.onnx?v=2', env, 'https://page.example/app/', 'model.onnx?v=2'],
    ['https://other.example/a/b.onnx', hub, 'https://other.example/a/', 'b.onnx'],
    ['x/onnx/model.onnx', env, 'https://page.example/models/x/onnx/', 'model.onnx'],
    ['model.onnx', env, 'https://page.example/models/', 'model.onnx'],
    ['org/x/onnx/model.onnx', hub, `https://hub.example/org/x/resolve/${COMMIT}/`, 'onnx/model.onnx'],
  ];
  for (const [address, settings, url, file] of cases) {
    const place = resolveFile(address, COMMIT, settings, BASE);
    assert.deepEqual(
      [place.folder.url, place.file, place.folder.immutable],
      [url, file, settings === hub && file.startsWith('onnx/')],
      address,
    );
  }
  for (const address of ['', '/models/x/', 'https://other.example/', 'a/../../b.onnx', 7, undefined]) {
    assert.throws(() => resolveFile(address, COMMIT, env, BASE), kind('invalid-input'), String(address));
  }
  for (const address of ['org/x', 'org/x/', 'org/x/../../y/z.onnx'])
    assert.throws(() => resolveFile(address, COMMIT, hub, BASE), kind('invalid-input'), address);
});

test('relative addresses of the .wasm files are relative to the page, for every build', () => {
  assert.deepEqual(absolutePaths({ gpu: 'gpu.wasm' }, BASE), { gpu: 'https://page.example/app/gpu.wasm' });
  const paths = Object.fromEntries(BUILDS.map((build) => [build, `${build}.wasm`]));
  assert.deepEqual(
    Object.entries(absolutePaths(paths, BASE)),
    BUILDS.map((build) => [build, `https://page.example/app/${build}.wasm`]),
  );
  assert.deepEqual(absolutePaths({ cpu: undefined }, BASE), {});
  assert.deepEqual(absolutePaths({}, undefined), {});
  assert.throws(() => absolutePaths({ cpu: 'cpu.wasm' }, undefined), kind('invalid-input'));
});

test('an error about one of several inputs names it once', () => {
  const raw = Object.assign(new Error('the text is too long'), { kind: 'invalid-input', retryable: false, index: 3 });
  const error = toPilotLightError(raw);
  assert.deepEqual([error.index, error.message], [3, 'the text is too long']);
  const named = atInput(atInput(error, 3), 35);
  assert.deepEqual([named.kind, named.index, named.message], ['invalid-input', 35, 'Input 35: the text is too long']);
  assert.equal(fromFacts(structuredClone(toFacts(named))).index, 35);
  assert.equal(fromFacts(structuredClone(toFacts(new PilotLightError('internal', 'no')))).index, undefined);
});

test('an error survives a message unchanged', () => {
  const error = new PilotLightError('remote', 'it failed', { retryable: true, cause: new TypeError('why') });
  const back = fromFacts(structuredClone(toFacts(error)));
  assert.ok(back instanceof PilotLightError);
  assert.deepEqual(
    [back.name, back.kind, back.message, back.retryable, back.cause.message],
    ['PilotLightError', 'remote', 'it failed', true, 'why'],
  );
});

test('an abort is an AbortError with the reason of its signal', () => {
  const error = cancelled(AbortSignal.abort('enough'));
  assert.deepEqual([error.name, error.kind, error.cause], ['AbortError', 'cancelled', 'enough']);
});

test('an error of WebAssembly keeps its kind, a trap is internal', () => {
  const typed = toPilotLightError(
    Object.assign(new Error('lying header'), { kind: 'invalid-artefact', retryable: false }),
  );
  assert.deepEqual([typed.kind, typed.message], ['invalid-artefact', 'lying header']);
  const trap = new WebAssembly.RuntimeError('unreachable');
  assert.deepEqual(
    [isTrap(trap), toPilotLightError(trap).kind, toPilotLightError(trap).retryable],
    [true, 'internal', true],
  );
  assert.equal(isTrap(new Error('unreachable')), false);
  assert.equal(toPilotLightError('words').message, 'words');
});

test('an unknown option is refused by its path, with the known ones', () => {
  checkLoadingOptions({ device: 'wasm', dtype: 'q8', worker: false, revision: 'x' });
  checkLoadingOptions({ progress_callback: () => undefined, signal: new AbortController().signal });
  const refused = ({ kind, message }) => kind === 'invalid-input' && /'devise'.*device, dtype/.test(message);
  assert.throws(() => checkLoadingOptions({ devise: 'wasm' }), refused);
  assert.throws(() => checkLoadingOptions({ device: 'cpu' }), kind('invalid-input'));
  assert.throws(() => refuseUnknown('remote.', { modell: 'x' }, ['model']), /'remote\.modell'/);
  for (const cpuBuild of CPU_BUILD_CHOICES)
    assert.deepEqual(checkEnv({ ...env, cpuBuild }), { cpuBuild, numThreads: 0 });
  for (const wrong of [{ cpuBuild: 'gpu' }, { numThreads: -1 }, { numThreads: 0.5 }]) {
    assert.throws(() => checkEnv({ ...env, ...wrong }), kind('invalid-input'));
  }
});

test('a shared value is made for its first user and closed after its last', async () => {
  const closed = [];
  const map = new SharedMap((value) => void closed.push(value));
  let made = 0;
  const acquire = () => map.acquire('key', () => ++made);
  const [first, second] = [acquire(), acquire()];
  await first.release();
  assert.deepEqual([second.value, closed], [1, []]);
  await second.release();
  assert.deepEqual([acquire().value, closed], [2, [1]]);
  const third = acquire();
  third.evict();
  assert.deepEqual([third.value, acquire().value], [2, 3]);
});

test('a value is described by its class or its type', () => {
  const words = [null, undefined, 1, 'a', {}, [], new ArrayBuffer(0), () => 1].map(describe);
  const expected = [
    'null',
    'undefined',
    'a number',
    'a string',
    'an Object',
    'an Array',
    'an ArrayBuffer',
    'a function',
  ];
  assert.deepEqual(words, expected);
});

test('inputs are strings', () => {
  assert.deepEqual(toTexts(''), ['']);
  assert.deepEqual(toTexts([]), []);
  for (const wrong of [1, null, undefined, {}, ['a', 2], [['a']]])
    assert.throws(() => toTexts(wrong), kind('invalid-input'));
});

test('batches of embeddings are concatenated, unpooled ones padded with zeros', () => {
  const pooled = concatFeatures([
    { dims: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
    { dims: [1, 2], data: Float32Array.of(5, 6) },
  ]);
  assert.deepEqual(pooled, { dims: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) });
  const unpooled = concatFeatures([
    { dims: [1, 1, 2], data: Float32Array.of(1, 2) },
    { dims: [1, 2, 2], data: Float32Array.of(3, 4, 5, 6) },
  ]);
  assert.deepEqual(unpooled, { dims: [2, 2, 2], data: Float32Array.of(1, 2, 0, 0, 3, 4, 5, 6) });
});

test('the total progress waits for every size and never goes back', () => {
  const events = [];
  const progress = new Progress(
    'm',
    (info) => info.status === 'progress_total' && events.push([info.progress, info.loaded, info.total]),
  );
  const MiB = 1 << 20;
  progress.initiate('config.json');
  progress.progress('config.json', 10, 10);
  assert.deepEqual(events, [], 'a round of a few bytes is not shown');
  progress.initiate('a');
  progress.initiate('b');
  progress.progress('a', MiB, 2 * MiB);
  assert.deepEqual(events, [], 'the size of b is not known yet');
  progress.progress('b', 0, 2 * MiB);
  progress.progress('a', 2 * MiB, 2 * MiB);
  progress.initiate('c');
  progress.progress('c', 0, 4 * MiB);
  progress.progress('b', 2 * MiB, 2 * MiB);
  progress.progress('c', 4 * MiB, 4 * MiB);
  progress.ready('task');
  const shown = events.map(([percent]) => percent);
  assert.deepEqual(
    shown,
    [...shown].sort((a, b) => a - b),
  );
  assert.deepEqual(events.at(-1), [100, 8 * MiB + 10, 8 * MiB + 10]);
});

test('a queue keeps the order and outlives a failure', async () => {
  const queue = new JobQueue();
  const order = [];
  const first = queue.run(async () => {
    await null;
    order.push(1);
    throw new Error('no');
  });
  const second = queue.run(async () => order.push(2));
  await assert.rejects(first, /no/);
  await second;
  assert.deepEqual(order, [1, 2]);
});

test('an abort ends the wait at once', async () => {
  const controller = new AbortController();
  const never = abortable(new Promise(() => undefined), controller.signal);
  controller.abort();
  await assert.rejects(never, kind('cancelled'));
  await assert.rejects(abortable(Promise.resolve(1), AbortSignal.abort()), kind('cancelled'));
  const parent = AbortSignal.abort('up');
  assert.equal(await withController(parent, async ({ signal }) => signal.reason), 'up');
});

test('the address of the remote is http(s)', () => {
  assert.equal(serverAddress('/v1', BASE), 'https://page.example/v1');
  assert.equal(serverAddress('http://127.0.0.1:9/v1//', BASE), 'http://127.0.0.1:9/v1');
  for (const wrong of [undefined, 7, 'ftp://x', 'javascript:1'])
    assert.throws(() => serverAddress(wrong, BASE), kind('invalid-input'));
});

test('the address of one function of a remote is refused, and not doubled', () => {
  for (const [address, left] of [
    ['/v1/chat/completions', '/chat/completions'],
    ['https://api.example/v1/chat/completions/', '/chat/completions'],
    ['/v1/completions', '/completions'],
    ['/v1/responses', '/responses'],
    ['/v1/messages', '/messages'],
    ['/v1/chat', '/chat'],
  ]) {
    const refused = ({ kind, message }) => kind === 'invalid-input' && message.includes(`leave out '${left}'`);
    assert.throws(() => serverAddress(address, BASE), refused, address);
  }
  // Nothing but the end of the path counts.
  assert.equal(serverAddress('https://chat.example/completions/v1', BASE), 'https://chat.example/completions/v1');
});
