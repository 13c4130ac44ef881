// Cascades without an engine: the transports against a real HTTP server, and the steps of questions to remotes.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { builtInTransport } from '../modules/cascade/built-in-transport.js';
import { checkTier } from '../modules/cascade/calibrate.js';
import { Cascade } from '../modules/cascade/cascade.js';
import { httpTransport } from '../modules/cascade/http-transport.js';
import { loadable, readLocalModels } from '../modules/cascade/local-models.js';
import { prepareRedactor } from '../modules/cascade/redactor.js';
import { prepareRemotes } from '../modules/cascade/remotes.js';
import { attempt } from '../modules/cascade/transport.js';
import { checkFinite } from '../modules/shared/check.js';

const { fetch } = globalThis;
let server;
let baseURL;
const seen = [];
const waiting = [];

/** Holds a response open until a test ends it or its client goes. */
function hold(response) {
  waiting.push(response);
  response.once('close', () => waiting.includes(response) && waiting.splice(waiting.indexOf(response), 1));
}

before(async () => {
  globalThis.fetch = fetch;
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => {
      seen.push({ url: request.url, headers: request.headers, body });
      if (request.url.startsWith('/busy'))
        response.writeHead(429, { 'retry-after': '2', 'content-type': 'application/json' }).end('{}');
      else if (request.url.startsWith('/moved')) response.writeHead(307, { location: '/ok' }).end();
      else if (request.url.startsWith('/long')) response.end('x'.repeat((1 << 20) + 1));
      else if (request.url.startsWith('/slow')) hold(response);
      else if (request.url.startsWith('/drop')) request.socket.destroy();
      else if (request.url.startsWith('/events'))
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: 1\n\ndata: 2\n\n');
      else if (request.url.startsWith('/echo'))
        response.writeHead(401).end(`no such key: ${request.headers.authorization}`);
      else response.end(`you said ${body}`);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseURL = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

const request = {
  call: 1,
  remote: 0,
  payload: {
    http: {
      path: '/chat/completions',
      headers: [
        ['accept', 'application/json'],
        ['content-type', 'application/json'],
      ],
      key_header: { name: 'authorization', prefix: 'Bearer ' },
      body: '{"a":1}',
    },
  },
  stream: false,
  delay_ms: 0,
  deadline_ms: 30_000,
};
const noFeed = () => assert.fail('no stream was requested');
const hooks = (feed = noFeed) => ({ leaving: () => undefined, feed });
const reach = (path, more, asked, feed) =>
  attempt(httpTransport({ baseURL: baseURL + path, ...more }), { ...request, ...asked }, hooks(feed));

test('a request is JSON, with the token where there is one', async () => {
  const event = await reach('/ok', { getToken: async () => 'secret' });
  assert.deepEqual([event.type, event.status, event.body], ['response', 200, 'you said {"a":1}']);
  const { url, headers, body } = seen.at(-1);
  assert.deepEqual(
    [url, headers.authorization, headers['content-type'], body],
    ['/ok/chat/completions', 'Bearer secret', 'application/json', '{"a":1}'],
  );
  await reach('/ok', { getToken: () => undefined });
  assert.equal(seen.at(-1).headers.authorization, undefined);
});

test('a refusal is a response, with its Retry-After', async () => {
  const event = await reach('/busy');
  assert.deepEqual([event.status, event.retry_after, event.content_type], [429, '2', 'application/json']);
});

test('an attempt without a reply is a fault of its kind', async () => {
  assert.equal((await reach('/drop')).fault, 'network');
  assert.equal((await reach('/long')).fault, 'too-large');
  // A browser does not even reveal the target; Node returns the reply itself. Neither follows it.
  const moved = await reach('/moved');
  assert.ok(moved.fault === 'redirect' || moved.status === 307);
  const count = seen.length;
  const token = await reach('/ok', { getToken: () => Promise.reject(new Error('signed out')) });
  assert.deepEqual([token.fault, token.message, seen.length], ['token', 'signed out', count]);
  assert.equal((await reach('/slow', {}, { deadline_ms: 20 })).fault, 'timeout');
  assert.equal(
    (await reach('/ok', { getToken: () => new Promise(() => undefined) }, { deadline_ms: 20 })).fault,
    'timeout',
  );
});

test('a token does not appear in messages', async () => {
  const { status, body } = await reach('/echo', { getToken: () => 'a-token-of-no-known-form' });
  assert.deepEqual([status, body], [401, 'no such key: Bearer [TOKEN]']);
  const { fault, message } = await reach('/ok', { getToken: () => 'a token\nof two lines' });
  assert.equal(fault, 'network');
  assert.doesNotMatch(message, /of two lines/);
});

test('a streamed reply is fed until there is enough', async () => {
  const pieces = [];
  const feed = async (bytes, last) => {
    pieces.push([new TextDecoder().decode(bytes), last]);
    return false;
  };
  const event = await reach('/events', {}, { stream: true }, feed);
  assert.deepEqual(
    [event.type, pieces.map(([text]) => text).join(''), pieces.at(-1)],
    ['streamed', 'data: 1\n\ndata: 2\n\n', ['', true]],
  );
  const enough = [];
  await reach('/events', {}, { stream: true }, async (_bytes, last) => enough.push(last) > 0);
  assert.deepEqual(enough, [false, true]);
  // A reply that is not an event stream is a reply like any other.
  assert.equal((await reach('/busy', {}, { stream: true })).status, 429);
});

test('an abort by the caller rejects, before the request and in it', async () => {
  const ask = httpTransport({ baseURL: `${baseURL}/slow` });
  const controller = new AbortController();
  const running = attempt(ask, request, hooks(), controller.signal);
  controller.abort();
  await assert.rejects(running, { name: 'AbortError' });
  const paused = new AbortController();
  const pausing = attempt(ask, { ...request, delay_ms: 60_000 }, hooks(), paused.signal);
  paused.abort();
  await assert.rejects(pausing, { kind: 'cancelled' });
});

test("the browser's own model is asked with a prompt and answers with words", async (t) => {
  const [system, user] = [
    { role: 'system', content: 's' },
    { role: 'user', content: 'u' },
  ];
  const payload = { prompt: { messages: [system, user], name: 'any', schema: { type: 'object' } } };
  const reachBuiltIn = (stream, feed) => attempt(builtInTransport, { ...request, payload, stream }, hooks(feed));
  assert.equal((await reachBuiltIn(false)).fault, 'unavailable');
  const log = [];
  let availability = 'downloadable';
  globalThis.LanguageModel = {
    availability: async () => availability,
    create: async ({ initialPrompts }) => ({
      prompt: async (prompts, { responseConstraint }) => (
        log.push([initialPrompts, prompts, responseConstraint]), '{"label":"a"}'
      ),
      promptStreaming: () => new Blob(['{"label":', '"a"}']).stream().pipeThrough(new TextDecoderStream()),
      destroy: () => log.push('destroyed'),
    }),
  };
  t.after(() => delete globalThis.LanguageModel);
  assert.equal((await reachBuiltIn(false)).fault, 'unavailable');
  availability = 'available';
  const event = await reachBuiltIn(false);
  assert.deepEqual([event.type, event.text], ['text', '{"label":"a"}']);
  assert.deepEqual(log, [[[system], [user], { type: 'object' }], 'destroyed']);
  const pieces = [];
  const feed = async (bytes, last) => (pieces.push([new TextDecoder().decode(bytes), last]), false);
  const streamed = await reachBuiltIn(true, feed);
  assert.deepEqual(
    [streamed.type, pieces.map(([words]) => words).join(''), pieces.at(-1)],
    ['streamed', '{"label":"a"}', ['', true]],
  );
  const enough = [];
  await reachBuiltIn(true, async (_bytes, last) => enough.push(last) > 0);
  assert.deepEqual(enough, [false, true]);
  // A request for a server is not for it, nor a prompt for a server.
  assert.equal((await attempt(builtInTransport, request, hooks())).fault, 'unavailable');
  assert.equal((await reach('/ok', {}, { payload })).fault, 'unavailable');
});

test('the protocol names the header of the key', async () => {
  const { http } = request.payload;
  const key_header = { name: 'x-api-key', prefix: '' };
  const headers = [['anthropic-version', '2023-06-01']];
  await reach('/ok', { getToken: () => 'secret' }, { payload: { http: { ...http, headers, key_header } } });
  const seenHeaders = seen.at(-1).headers;
  assert.deepEqual(
    [seenHeaders['x-api-key'], seenHeaders['anthropic-version'], seenHeaders.authorization],
    ['secret', '2023-06-01', undefined],
  );
});

test('an invalid remote is refused, and a key in a page is not taken by mistake', () => {
  const remote = { baseURL: 'http://127.0.0.1/v1/', model: 'any' };
  const [{ config, url }] = prepareRemotes({ ...remote, retries: 1, getToken: () => 'x' });
  assert.deepEqual([config, url], [{ model: 'any', retries: 1 }, 'http://127.0.0.1/v1']);
  assert.deepEqual(
    [prepareRemotes(undefined), prepareRemotes([remote, { built_in: true }]).map(({ url }) => url)],
    [[], [url, undefined]],
  );
  for (const wrong of [
    { ...remote, model: '' },
    { ...remote, baseURL: 'ftp://x' },
    { ...remote, baseURL: 'http://user:key-of-the-user@127.0.0.1/v1' },
    { ...remote, baseURL: 'http://127.0.0.1/v1?key=key-of-the-user' },
    { ...remote, timeout: 3 },
    { ...remote, caps: {} },
    { ...remote, caps: null },
    { ...remote, caps: { usd_per_day: NaN } },
    { ...remote, price: { prompt_usd_per_million: Infinity, completion_usd_per_million: 1, as_of: '2026-11-24' } },
    { ...remote, getToken: 'x' },
    { ...remote, apiKey: 'key-of-the-user' },
    { ...remote, apiKey: 'key-of-the-user', getToken: () => 'x', dangerouslyAllowBrowserKey: true },
    { built_in: true, model: 'any' },
    null,
  ]) {
    assert.throws(
      () => prepareRemotes([wrong].flat()),
      ({ kind, message }) => kind === 'invalid-input' && !message.includes('key-of-the-user'),
    );
  }
  assert.doesNotMatch(
    JSON.stringify(prepareRemotes({ ...remote, apiKey: 'key-of-the-user', dangerouslyAllowBrowserKey: true })),
    /key-of-the-user/,
  );
});

/** A handle whose engine delegates every text that begins with 'hard', and is done when it comes back. */
function fakeHandle({ redact = false, width = Infinity, checks = [] } = {}) {
  const notes = [];
  let underWay = 0;
  const queue = [];
  const send = (call) => ({ send: { ...request, call } });
  return {
    notes,
    info: { labels: [], dtype: 'fp32', thresholds: [0.5] },
    owns: () => undefined,
    device: {},
    call: async (_signal, work) => work(),
    notify: async (op, { call }) => void notes.push([op, call]),
    async request(op, args) {
      const turn = (step, started) => ({ turn: { step, ...(started !== undefined && { started }) }, generation: 1 });
      switch (op) {
        case 'decide':
          return {
            steps: args.inputs.map((text, call) =>
              text.startsWith('hard')
                ? { delegate: { call, redact } }
                : { done: { output: text, thresholds: args.thresholds } },
            ),
            checks,
            generation: 1,
            record: JSON.stringify(args.inputs),
          };
        case 'readUsage':
          return { merged: '', invalid_records: [], spans: [], summary: { records: args.records } };
        case 'enqueue':
          if (underWay === width) return (queue.push(args.call), turn({ wait: { call: args.call, for_ms: 60_000 } }));
          underWay += 1;
          return turn(send(args.call));
        case 'resume':
          underWay += 1;
          return turn(send(args.call));
        case 'decline':
          return turn({ done: { output: args.inputs[0], reason: args.reason, detail: args.detail } });
        default:
          underWay -= 1;
          return turn({ done: { output: args.inputs[0], found: args.found, event: args.event } }, queue.shift());
      }
    },
  };
}

const loaded = (handle, path, redactor) =>
  new Cascade(
    handle,
    'text-classification',
    path === undefined ? [] : prepareRemotes({ baseURL: baseURL + path, model: 'any' }),
    redactor,
  ).callable();

test('answers come in the order of the questions, and questions that wait go on at their turn', async () => {
  const ask = loaded(fakeHandle({ width: 4 }), '/slow');
  const answers = ask(['easy', ...Array.from({ length: 6 }, (_, i) => `hard ${i}`)]);
  let most = 0;
  for (let answered = 0; answered < 6; ) {
    await new Promise(setImmediate);
    most = Math.max(most, waiting.length);
    if (waiting.length === 0 || (waiting.length < 4 && answered + waiting.length < 6)) continue;
    waiting.shift().end('{}');
    answered += 1;
  }
  const envelopes = await answers;
  assert.ok(envelopes.slice(1).every(({ event }) => event.type === 'response'));
  assert.deepEqual(
    envelopes.map(({ output }) => output),
    ['easy', 'hard 0', 'hard 1', 'hard 2', 'hard 3', 'hard 4', 'hard 5'],
  );
  assert.equal(most, 4);
});

test('one text gives one envelope, no text no envelope, and the threshold is used as it is set', async () => {
  const ask = loaded(fakeHandle());
  assert.deepEqual((await ask('easy')).thresholds, [0.5]);
  ask.threshold = 0.8;
  assert.deepEqual(await ask(['easy']), [{ output: 'easy', thresholds: [0.8] }]);
  assert.deepEqual(await ask([]), []);
  for (const wrong of [2, -1, NaN, '0.5']) assert.throws(() => (ask.threshold = wrong), { kind: 'invalid-input' });
  await assert.rejects(ask('easy', { stream_callback: 3 }), { kind: 'invalid-input' });
  await assert.rejects(ask('easy', { must_stay_local: 'yes' }), { kind: 'invalid-input' });
  for (const wrong of [{ source: 3 }, { source: '' }, { agreement: 0 }, { agreement: 1.5 }, { agreement: '1' }])
    await assert.rejects(ask('easy', wrong), { kind: 'invalid-input' });
});

test('answers go into the ledger, and a check leaves its answer unchanged', async () => {
  const reported = [];
  const ask = loaded(fakeHandle({ checks: [{ call: 7, redact: false, index: 1 }] }), '/ok');
  const { output, event } = (
    await ask(['easy 0', 'easy 1'], { request_callback: ({ index }) => reported.push(index) })
  )[1];
  assert.deepEqual([output, event], ['easy 1', undefined]);
  const before = seen.length;
  while (seen.length === before) await new Promise(setImmediate);
  assert.deepEqual(reported, [1], 'request_callback receives a check as well');
  assert.deepEqual((await ask.ledger.summary()).records, ['["easy 0","easy 1"]']);
});

test('a check that fails does not fail the call', async () => {
  const ask = loaded(fakeHandle({ checks: [{ call: 7, redact: true, index: 0 }] }), '/ok', () =>
    Promise.reject(new Error('no redactor')),
  );
  assert.equal((await ask('easy')).output, 'easy');
  await ask.ledger.summary();
});

test('the threshold of several local models is that of the last one', async () => {
  const ask = loaded({ ...fakeHandle(), info: { thresholds: [0.7, 0.5] } });
  assert.deepEqual([ask.threshold, ask.thresholds], [0.5, [0.7, 0.5]]);
  ask.threshold = 0.6;
  assert.deepEqual((await ask('easy')).thresholds, [0.7, 0.6]);
  ask.thresholds = [0.9, 0.8];
  assert.deepEqual((await ask('easy')).thresholds, [0.9, 0.8]);
  for (const wrong of [0.5, [0.5], [0.5, 0.5, 0.5], [0.5, NaN], [0.5, undefined]])
    assert.throws(() => (ask.thresholds = wrong), { kind: 'invalid-input' });
  assert.deepEqual(
    [0, 1].map((tier) => checkTier(tier, 2)),
    [0, 1],
  );
  assert.equal(checkTier(undefined, 1), 0);
  for (const wrong of [undefined, 2, -1, 0.5, '0', null])
    assert.throws(() => checkTier(wrong, 2), { kind: 'invalid-input' });
});

test('NaN and infinity are refused by their path, before JSON turns them into null', () => {
  const policy = { threshold: 0.5, budget: { usd_per_day: 1 } };
  assert.equal(checkFinite('policy', policy), policy);
  for (const wrong of [NaN, -Infinity, null]) {
    assert.throws(
      () => checkFinite('policy', { budget: { usd_per_day: wrong } }),
      ({ kind, message }) =>
        kind === 'invalid-input' && message.startsWith('policy.budget.usd_per_day must be a finite number'),
    );
  }
});

test('local models are one or several, each with its own options', () => {
  const local = { task: 'text-classification', model: '/models/tiny' };
  const calibration = { threshold: 0.8 };
  const alone = readLocalModels({ ...local, dtype: 'q8', threshold: 0.7 }, calibration);
  assert.deepEqual(alone, {
    models: [{ ...local, dtype: 'q8' }],
    options: { dtype: 'q8' },
    configs: [{ threshold: 0.7, calibration }],
  });
  const { options, models, configs } = readLocalModels(
    [
      { ...local, threshold: 0.7 },
      { ...local, dtype: 'q8', worker: false, calibration },
    ],
    undefined,
  );
  assert.deepEqual(
    [options, models, configs],
    [{ worker: false }, [local, { ...local, dtype: 'q8' }], [{ threshold: 0.7 }, { calibration }]],
  );
  for (const [wrong, given] of [
    [undefined],
    [[]],
    [{}],
    [[local, null]],
    [[local, { ...local, model: 3 }]],
    [[local, { ...local, signal: new AbortController().signal }]],
    [[local, { ...local, treshold: 0.5 }]],
    [
      [
        { ...local, device: 'wasm' },
        { ...local, device: 'webgpu' },
      ],
    ],
    [[local, local], calibration],
    [[local, { ...local, task: 'information-extraction' }]],
  ]) {
    assert.throws(() => readLocalModels(wrong, given), { kind: 'invalid-input' }, JSON.stringify(wrong));
  }
});

test('a model that reads records is loaded as one that generates text, without a router', () => {
  const records = { task: 'information-extraction', model: 'https://page.example/m.gguf' };
  const { models, generator } = loadable([records]);
  assert.deepEqual([models, generator.file, generator.model], [[], 'm.gguf', records.model]);
  assert.throws(() => loadable([records, { task: 'text-classification', model: 'r' }]), { kind: 'invalid-input' });
});

test('an abort abandons every call that is under way', async () => {
  const handle = fakeHandle();
  const ask = loaded(handle, '/slow');
  const controller = new AbortController();
  const answers = ask(['hard 0', 'hard 1'], { signal: controller.signal });
  while (waiting.length < 2) await new Promise(setImmediate);
  controller.abort();
  await assert.rejects(answers, { name: 'AbortError' });
  assert.deepEqual(handle.notes, [
    ['abandon', 0],
    ['abandon', 1],
  ]);
});

test('a text to be redacted goes through the redactor, or nowhere', async () => {
  const span = { start: 0, end: 4, label: 'NAME' };
  const { found } = await loaded(fakeHandle({ redact: true }), '/ok', async () => [span])('hard');
  assert.deepEqual(found.spans, [span]);
  assert.ok(found.elapsed_ms >= 0);
  const count = seen.length;
  const without = await loaded(fakeHandle({ redact: true }), '/ok')('hard');
  const broken = await loaded(fakeHandle({ redact: true }), '/ok', () => Promise.reject(new Error('no model')))('hard');
  assert.deepEqual(
    [without.reason, broken.reason, broken.detail, seen.length],
    ['redactor-unavailable', 'redactor-unavailable', 'no model', count],
  );
});

test('a redactor is a function or a model, and nothing is loaded before it is used', async () => {
  const find = async () => [];
  assert.equal(prepareRedactor(find, {}).find, find);
  for (const named of [undefined, '/models/rampart', { model: '/models/rampart', dtype: 'q4' }])
    await prepareRedactor(named, { worker: false }).release();
  for (const wrong of ['', 3, {}, { model: '' }])
    assert.throws(() => prepareRedactor(wrong, {}), { kind: 'invalid-input' });
});

test('questions that wait in an engine that died go on in the next one', async () => {
  const handle = fakeHandle({ width: 1 });
  const { request: answer } = handle;
  let dies = true;
  handle.request = async (op, args) => {
    if (op !== 'receive' || !dies) return answer(op, args);
    dies = false;
    await answer(op, args);
    throw new Error('the engine died');
  };
  const ask = loaded(handle, '/ok');
  const [dead, waited] = await Promise.allSettled([ask('hard 0'), ask(['easy', 'hard 1'])]);
  assert.deepEqual([dead.reason?.message, waited.value?.[1].output], ['the engine died', 'hard 1']);
});

test('request_callback receives what leaves the device', async () => {
  const reported = [];
  await loaded(fakeHandle(), '/ok')(['easy', 'hard'], { request_callback: (sent) => reported.push(sent) });
  assert.deepEqual(reported, [{ url: `${baseURL}/ok/chat/completions`, body: request.payload.http.body, index: 1 }]);
  // A request that does not leave is not reported.
  const ask = new Cascade(
    fakeHandle(),
    'text-classification',
    prepareRemotes({ baseURL: `${baseURL}/ok`, model: 'any', getToken: () => Promise.reject(new Error('signed out')) }),
  ).callable();
  await ask('hard', { request_callback: (sent) => reported.push(sent) });
  assert.equal(reported.length, 1);
});
