// The requests of an engine about cascades, over a fake WebAssembly side.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Engine } from '../modules/worker/engine.js';
import { fakeFetch, fakeWasm } from './fake-wasm.mjs';

const MODEL = {
  task: 'text-classification',
  model: 'm',
  folder: { url: 'https://page.example/models/m/', immutable: true },
  options: {},
};
const START = { device: 'wasm', wasmPaths: {}, cpuBuild: 'auto', numThreads: 0, generation: 1, key: 0 };
const QUESTION = { options: {}, thresholds: [0.9], must_stay_local: false };

/** An engine with a cascade under the key 1, a pipeline under the key 2 and a cascade of records under the key 3. */
async function started() {
  fakeFetch({
    [`${MODEL.folder.url}config.json`]: () => Response.json({}),
    [`${MODEL.folder.url}m.gguf`]: () => new Response(new Uint8Array(3)),
  });
  const wasm = fakeWasm();
  const features = () => ({ relaxedSimd: false, noThreads: 'no', cores: 1 });
  const engine = new Engine({ open: async () => ({ wasm, threads: 1 }), stopped: new Set(), features });
  const ask = (op, args) => engine.handle(op, { key: 1, ...args }, {});
  await ask('start', START);
  await ask('load', { cascade: { models: [MODEL], config: {} }, useBrowserCache: false });
  await ask('load', { pipeline: { ...MODEL, task: 'token-classification' }, useBrowserCache: false, key: 2 });
  const generator = { model: 'm', folder: MODEL.folder, file: 'm.gguf', options: {} };
  const loaded = await ask('load', { cascade: { models: [], generator, config: {} }, useBrowserCache: false, key: 3 });
  assert.deepEqual([loaded.thresholds, loaded.calibrations, loaded.labels], [[0.5], [null], []]);
  return { ask, engine, log: wasm.log };
}

test('a text is decided, and one that is drawn is to be checked', async () => {
  const { ask } = await started();
  const inputs = ['easy', 'check', 'hard'];
  const { steps, checks, generation, record } = await ask('decide', { ...QUESTION, inputs });
  assert.deepEqual(
    steps.map((step) => Object.keys(step)[0]),
    ['done', 'done', 'delegate'],
  );
  assert.deepEqual([checks.map(({ index }) => index), generation, record], [[1], 1, '["easy","check"]']);
  const local = await ask('decide', { ...QUESTION, inputs: ['hard'], must_stay_local: true });
  assert.equal(local.steps[0].done.route, 'local');
});

test('what the caller knows of a text goes with its question, to a fresh engine as well', async () => {
  const { ask, log } = await started();
  const provenance = { source: 'ann', agreement: 0.5 };
  const question = { ...QUESTION, provenance, inputs: ['hard'] };
  await ask('decide', question);
  await ask('enqueue', { ...question, call: 99, generation: 0, stream: false });
  await ask('decide', { ...QUESTION, inputs: ['easy'] });
  assert.deepEqual(
    log.filter(([what]) => what === 'provenance').map(([, known]) => known),
    [provenance, provenance, {}],
  );
});

test('a remote answer that is wanted as such asks no local model', async () => {
  const { ask, log } = await started();
  const { steps } = await ask('decide', { ...QUESTION, inputs: ['easy'], consult: true });
  assert.ok(steps[0].delegate.call > 0);
  assert.deepEqual(
    log.filter(([what]) => what === 'decide' || what === 'consult'),
    [['consult', 1]],
  );
});

test('a question is enqueued with the spending of all tabs, fed, answered or declined', async () => {
  const { ask } = await started();
  const { steps, generation } = await ask('decide', { ...QUESTION, inputs: ['hard 0', 'hard 1'] });
  const [first, second] = steps.map(({ delegate }) => ({ ...QUESTION, inputs: [''], call: delegate.call, generation }));
  const enqueued = await ask('enqueue', { ...first, stream: true, spend_logs: ['a', null] });
  assert.deepEqual([enqueued.turn.step.send.stream, enqueued.spend_logs], [true, ['a+']]);
  const piece = { call: first.call, bytes: new Uint8Array(3), last: false };
  assert.deepEqual(await ask('feed', { ...piece, generation }), { text: 'hard 0 3', over: false });
  await assert.rejects(ask('feed', { ...piece, generation: 7 }), { kind: 'internal', message: /middle of a reply/ });
  const event = { type: 'streamed', elapsed_ms: 1 };
  const received = await ask('receive', { ...first, stream: true, event });
  assert.deepEqual([received.turn.step.done.output, received.spend_logs], ['hard 0', undefined]);
  const declined = await ask('decline', { ...second, stream: false, reason: 'redactor-unavailable', detail: 'why' });
  const { output, reason, detail } = declined.turn.step.done;
  assert.deepEqual([output, reason, detail], ['hard 1', 'redactor-unavailable', 'why']);
});

test('a check of an engine that is gone is given up, and a question decided again', async () => {
  const { ask, log } = await started();
  const old = { ...QUESTION, call: 99, generation: 0, stream: false };
  await assert.rejects(ask('enqueue', { ...old, inputs: ['check'], check: true }), { kind: 'internal' });
  const { turn, record } = await ask('enqueue', { ...old, inputs: ['check'] });
  assert.deepEqual([turn.step.done.output, record], ['check', '["check"]']);
  assert.equal(log.filter(([what]) => what === 'abandon').length, 1, 'its check is not made a second time');
  assert.deepEqual(await ask('abandon', { call: 1, generation: 0 }), { started: undefined });
});

test('a question that waited is resumed, and enqueued by an engine that does not know it', async () => {
  const { ask, log } = await started();
  const { steps, generation } = await ask('decide', { ...QUESTION, inputs: ['hard'] });
  const question = { ...QUESTION, inputs: ['hard'], call: steps[0].delegate.call, stream: true };
  const resumed = () => log.filter(([what]) => what === 'resume').length;
  await ask('resume', { ...question, generation });
  assert.equal(resumed(), 1);
  const { turn } = await ask('resume', { ...question, generation: 0 });
  assert.deepEqual([resumed(), turn.step.send.stream], [1, true]);
});

test('examples are scored batch by batch, each with its truths', async () => {
  const { ask, log } = await started();
  const inputs = Array.from({ length: 40 }, (_, i) => `text ${i}`);
  const truths = inputs.map((label, i) => ({ label: i === 39 ? 'other' : label }));
  const examples = await ask('scoreExamples', { tier: 0, inputs, truths, options: {} });
  assert.deepEqual([examples.length, examples.findIndex(({ correct }) => !correct)], [40, 39]);
  assert.deepEqual(
    log.filter(([what]) => what === 'scoreExamples'),
    [
      ['scoreExamples', 0, 32, 32],
      ['scoreExamples', 0, 8, 8],
    ],
  );
  const args = { tier: 0, examples, labels: {}, promise: {}, source: {}, options: {} };
  assert.equal((await ask('calibrate', args)).report.n, 40);
  assert.equal(await ask('explain', { envelope: { output: { label: 'a' } } }), 'It is {"label":"a"}.');
});

test('personal data is found by a pipeline, and only by one', async () => {
  const { ask } = await started();
  const spans = await ask('findPii', { key: 2, inputs: ['Ann is here'] });
  assert.deepEqual(spans, [[{ start: 0, end: 3, label: 'NAME' }]]);
  await assert.rejects(ask('findPii', { key: 1, inputs: ['Ann'] }), { kind: 'internal', message: /No pipeline/ });
  await assert.rejects(ask('decide', { ...QUESTION, key: 2, inputs: ['a'] }), { kind: 'internal' });
});

const RECORD = { ...QUESTION, key: 3, options: { schema: '{}' } };

test('records are read step by step, and decided one by one', async () => {
  const { ask, log } = await started();
  const [{ steps, record }] = await Promise.all([
    ask('decide', { ...RECORD, inputs: ['easy a1 a2', 'hard b1'] }),
    ask('findPii', { key: 2, inputs: ['Ann'] }),
  ]);
  const [{ done }, { delegate }] = steps;
  assert.deepEqual(
    [done.output.value, done.threshold, record],
    [{ text: 'easy a1 a2', schema: '{}' }, 0.9, '["easy a1 a2"]'],
  );
  assert.ok(done.latency_ms >= 0 && delegate.call > 0);
  const order = log.filter(([what]) => ['step', 'findPii', 'decideRecord'].includes(what)).map(([, word]) => word);
  assert.ok(order.indexOf('wasm') < order.indexOf('a2'), 'other models take turns');
  assert.deepEqual(order.slice(-3), ['hard', 'b1', 'hard b1']);
  const question = { ...RECORD, inputs: ['hard b1'], call: delegate.call, stream: false };
  // A fresh engine reads it again.
  const { turn } = await ask('enqueue', { ...question, generation: 0 });
  assert.ok(turn.step.send.call > delegate.call);
  assert.equal(log.filter(([what, word]) => what === 'decideRecord' && word === 'hard b1').length, 2);
  const local = await ask('decide', { ...RECORD, inputs: ['hard'], must_stay_local: true });
  assert.equal(local.steps[0].done.route, 'local');
  const consulted = await ask('decide', { ...RECORD, inputs: ['easy'], consult: true });
  assert.ok(consulted.steps[0].delegate.call > 0);
  assert.deepEqual(log.at(-1), ['consultRecord', 'easy']);
});

test('where a record fails, those before it are not gone on with', async () => {
  const { ask, log } = await started();
  await assert.rejects(ask('decide', { ...RECORD, inputs: ['hard', 'easy', 'refuse'] }), {
    index: 2,
    message: /refused/,
  });
  assert.equal(log.filter(([what]) => what === 'abandon').length, 1);
});

test('an abort ends the record that is being read', async () => {
  const { engine, log } = await started();
  const controller = new AbortController();
  const { signal } = controller;
  const decided = engine.handle('decide', { ...RECORD, inputs: ['a1 a2 a3 a4'] }, { signal });
  controller.abort();
  await assert.rejects(decided, { kind: 'cancelled' });
  assert.equal(log.filter(([what]) => what === 'decideRecord').length, 0);
});

test('each record is scored by its truth', async () => {
  const { ask } = await started();
  const truths = ['a', 'c'].map((value) => ({ value, fields: [] }));
  const examples = await ask('scoreExamples', {
    key: 3,
    tier: 0,
    inputs: ['a', 'b'],
    truths,
    options: { schema: '{}' },
  });
  assert.deepEqual(
    examples.map(({ correct }) => correct),
    [true, false],
  );
});
