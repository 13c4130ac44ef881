// The remote half of a cascade: the transport against a real HTTP server, and the steps around it.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { Triage } from '../dist/cascade.js';
import { attempt } from '../dist/transport.js';

const { fetch } = globalThis;
let server;
let baseURL;
const seen = [];
const waiting = [];

/** Keeps a response open until a test ends it or its client goes. */
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
      if (request.url.startsWith('/busy')) response.writeHead(429, { 'retry-after': '2', 'content-type': 'application/json' }).end('{}');
      else if (request.url.startsWith('/moved')) response.writeHead(307, { location: '/ok' }).end();
      else if (request.url.startsWith('/long')) response.end('x'.repeat((1 << 20) + 1));
      else if (request.url.startsWith('/slow')) hold(response);
      else if (request.url.startsWith('/drop')) request.socket.destroy();
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

const request = { call: 1, path: '/chat/completions', body: '{"a":1}', delay_ms: 0, deadline_ms: 30_000 };
const reach = (path, more, asked) => attempt({ baseURL: baseURL + path, model: 'any', ...more }, { ...request, ...asked });

test('a request is JSON, with the token where there is one', async () => {
  const event = await reach('/ok', { getToken: async () => 'secret' });
  assert.deepEqual([event.type, event.status, event.body], ['response', 200, 'you said {"a":1}']);
  const { url, headers, body } = seen.at(-1);
  assert.deepEqual([url, headers.authorization, headers['content-type'], body], ['/ok/chat/completions', 'Bearer secret', 'application/json', '{"a":1}']);
  await reach('/ok', { getToken: () => undefined });
  assert.equal(seen.at(-1).headers.authorization, undefined);
});

test('a refusal is a response, with what the server says of trying again', async () => {
  const event = await reach('/busy');
  assert.deepEqual([event.status, event.retry_after, event.content_type], [429, '2', 'application/json']);
});

test('what gives no reply is a fault of its kind', async () => {
  const faults = {
    '/moved': 'network',
    '/drop': 'network',
    '/long': 'too-large',
  };
  for (const [path, fault] of Object.entries(faults)) assert.equal((await reach(path)).fault, fault, path);
  const count = seen.length;
  const token = await reach('/ok', { getToken: () => Promise.reject(new Error('signed out')) });
  assert.deepEqual([token.fault, token.message, seen.length], ['token', 'signed out', count]);
  assert.equal((await reach('/slow', {}, { deadline_ms: 20 })).fault, 'timeout');
  assert.equal((await reach('/ok', { getToken: () => new Promise(() => undefined) }, { deadline_ms: 20 })).fault, 'timeout');
});

test('an abort by the caller rejects, before the request and in it', async () => {
  const remote = { baseURL: `${baseURL}/slow`, model: 'any' };
  const count = seen.length;
  await assert.rejects(attempt(remote, request, AbortSignal.abort()), { kind: 'cancelled' });
  assert.equal(seen.length, count);
  const controller = new AbortController();
  const running = attempt(remote, request, controller.signal);
  controller.abort();
  await assert.rejects(running, { name: 'AbortError' });
  const paused = new AbortController();
  const pausing = attempt(remote, { ...request, delay_ms: 60_000 }, paused.signal);
  paused.abort();
  await assert.rejects(pausing, { kind: 'cancelled' });
});

/** A handle whose engine sends every text that begins with 'hard', and is done when it comes back. */
function fakeHandle() {
  const notes = [];
  const send = (call) => ({ send: { ...request, call } });
  return {
    notes,
    threshold: 0.5,
    device: {},
    labels: [],
    task: 'text-classification',
    call: async (_signal, work) => work(),
    notify: async (op, { call }) => void notes.push([op, call]),
    request: async (op, args) =>
      op === 'decide'
        ? { steps: args.inputs.map((text, i) => (text.startsWith('hard') ? send(i) : { done: { output: text, threshold: args.threshold } })), generation: 1 }
        : { step: { done: { output: args.inputs[0], event: args.event } }, generation: 1 },
  };
}

test('answers come in the order of the questions, and at most four are under way', async () => {
  const handle = fakeHandle();
  const ask = new Triage(handle, { baseURL: `${baseURL}/slow`, model: 'any' }).callable();
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
  assert.deepEqual(envelopes.map(({ output }) => output), ['easy', 'hard 0', 'hard 1', 'hard 2', 'hard 3', 'hard 4', 'hard 5']);
  assert.equal(most, 4);
});

test('one text gives one envelope, none gives none, and the threshold is used as it is set', async () => {
  const ask = new Triage(fakeHandle(), undefined).callable();
  assert.equal((await ask('easy')).threshold, 0.5);
  ask.threshold = 0.8;
  assert.deepEqual(await ask(['easy']), [{ output: 'easy', threshold: 0.8 }]);
  assert.deepEqual(await ask([]), []);
  for (const wrong of [2, -1, NaN, '0.5']) assert.throws(() => (ask.threshold = wrong), { kind: 'invalid-input' });
});

test('an abort gives up every call that is under way', async () => {
  const handle = fakeHandle();
  const ask = new Triage(handle, { baseURL: `${baseURL}/slow`, model: 'any' }).callable();
  const controller = new AbortController();
  const answers = ask(['hard 0', 'hard 1'], { signal: controller.signal });
  while (waiting.length < 2) await new Promise(setImmediate);
  controller.abort();
  await assert.rejects(answers, { name: 'AbortError' });
  assert.deepEqual(handle.notes, [['abandon', 0], ['abandon', 1]]);
});
