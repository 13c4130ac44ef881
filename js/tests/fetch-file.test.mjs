// Download of model files: what is cached, what is checked, what is refused.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { beforeEach, test } from 'node:test';

import { fetchFile, forgetFiles } from '../modules/io/fetch-file.js';
import { Progress } from '../modules/io/progress.js';
import { fakeFetch } from './fake-wasm.mjs';

const URL_OF = 'https://page.example/m/w';
const OWN = { url: 'https://page.example/m/', immutable: false };
const PINNED = { ...OWN, immutable: true };
const REQUEST = { name: 'w', optional: false };
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
/** The file as text; undefined where it does not exist. */
async function get(folder, request, { signal = new AbortController().signal, useBrowserCache = true } = {}) {
  const written = [];
  const sink = {
    expect: (bytes) => written.push(bytes),
    write: (bytes) => written.push(new TextDecoder().decode(bytes)),
  };
  const there = await fetchFile(folder, request, sink, {
    useBrowserCache,
    progress: new Progress('m', () => undefined),
    signal,
  });
  return there ? written.filter((part) => typeof part === 'string').join('') : undefined;
}
const file = (text, headers) => () => new Response(text, { headers });

let entries;
beforeEach(() => {
  entries = new Map();
  const cache = {
    match: async (url) => entries.get(url)?.clone(),
    put: async (url, response) => void entries.set(url, response),
    delete: async (url) => entries.delete(url),
  };
  Object.defineProperty(globalThis, 'caches', { value: { open: async () => cache }, configurable: true });
});

test('a pinned file is fetched once', async () => {
  const requests = fakeFetch({ [URL_OF]: file('one') });
  assert.equal(await get(PINNED, REQUEST), 'one');
  assert.equal(await get(PINNED, REQUEST), 'one');
  assert.deepEqual(requests, [`GET ${URL_OF}`]);
});

test('a file of the page is fetched again when the server has another', async () => {
  fakeFetch({ [URL_OF]: file('one', { etag: '"1"' }) });
  await get(OWN, REQUEST);
  const same = fakeFetch({ [URL_OF]: file('ONE', { etag: '"1"' }) });
  assert.equal(await get(OWN, REQUEST), 'one');
  assert.deepEqual(same, [`HEAD ${URL_OF}`]);
  fakeFetch({ [URL_OF]: file('two', { etag: '"2"' }) });
  assert.equal(await get(OWN, REQUEST), 'two');
});

test('a cached file serves a page that is offline', async () => {
  fakeFetch({ [URL_OF]: file('one') });
  await get(OWN, REQUEST);
  globalThis.fetch = async () => {
    throw new TypeError('offline');
  };
  assert.equal(await get(OWN, REQUEST), 'one');
});

test('a digest is checked on downloaded and on cached files', async () => {
  fakeFetch({ [URL_OF]: file('one') });
  assert.equal(await get(OWN, { ...REQUEST, sha256: sha256('one') }), 'one');
  entries.set(URL_OF, new Response('bad', { headers: { 'content-length': '3' } }));
  assert.equal(await get(OWN, { ...REQUEST, sha256: sha256('one') }), 'one');
  await assert.rejects(get(OWN, { ...REQUEST, sha256: sha256('two') }), {
    kind: 'invalid-artefact',
    message: /digest/,
  });
});

test('a digest that cannot be computed is a typed error', async () => {
  const { crypto } = globalThis;
  Object.defineProperty(globalThis, 'crypto', { value: {}, configurable: true });
  try {
    fakeFetch({ [URL_OF]: file('one') });
    assert.equal(await get(OWN, REQUEST), 'one');
    await assert.rejects(get(OWN, { ...REQUEST, sha256: sha256('one') }), { kind: 'unsupported' });
  } finally {
    Object.defineProperty(globalThis, 'crypto', { value: crypto, configurable: true });
  }
});

test('a wrong file is refused with its address', async () => {
  const cases = [
    [{}, REQUEST, /w is not there/],
    [{ [URL_OF]: () => new Response('no', { status: 503 }) }, REQUEST, /status 503/],
    [{ [URL_OF]: file(' <!DOCTYPE html>') }, REQUEST, /HTML page/],
    [{ [URL_OF]: file('x', { 'content-type': 'text/html; charset=utf-8' }) }, REQUEST, /HTML page/],
    [{ [`${URL_OF}.json`]: file('<svg/>') }, { name: 'w.json', optional: false }, /w\.json is an HTML page/],
    [{ [URL_OF]: file('one') }, { ...REQUEST, bytes: 4 }, /3 bytes, expected 4/],
    [{}, { name: 'https://other.example/w', optional: false }, /another host/],
  ];
  for (const [files, request, message] of cases) {
    fakeFetch(files);
    await assert.rejects(get(OWN, request), { kind: 'invalid-artefact', message });
  }
  assert.equal(entries.size, 0, 'nothing of it is cached');
});

test('an optional file may be missing, or have a start page in its place', async () => {
  fakeFetch({});
  assert.equal(await get(OWN, { ...REQUEST, optional: true }), undefined);
  fakeFetch({ [URL_OF]: file('<!doctype html>', { 'content-type': 'text/html' }) });
  assert.equal(await get(OWN, { ...REQUEST, optional: true }), undefined);
});

test('a body that breaks off and a network that fails may be tried again', async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new TypeError('reset')) });
  fakeFetch({ [URL_OF]: () => new Response(broken) });
  await assert.rejects(get(OWN, REQUEST), { kind: 'invalid-artefact', retryable: true, message: /broke off/ });
  globalThis.fetch = async () => {
    throw new TypeError('refused');
  };
  await assert.rejects(get(OWN, REQUEST), { kind: 'invalid-artefact', retryable: true });
  await assert.rejects(get(OWN, REQUEST, { signal: AbortSignal.abort() }), { kind: 'cancelled' });
});

test('validators are compared weakly, and a server without HEAD, or in trouble, costs no download', async () => {
  const status = (code) => () => new Response(null, { status: code });
  const only = (method, respond, otherwise) => (init) => (init.method === method ? respond : otherwise)();
  const same = {
    'a weak entity tag for a strong one': [{ etag: '"1"' }, file('x', { etag: 'W/"1"' })],
    'a strong one for a weak one': [{ etag: 'W/"1"' }, file('x', { etag: '"1"' })],
    'a date, where only one answer has an entity tag': [
      { 'last-modified': 'Sun, 29 Nov 2026 08:00:00 GMT' },
      file('x', { etag: '"1"', 'last-modified': 'Sun, 29 Nov 2026 08:00:00 GMT' }),
    ],
    'the length of the file': [{}, file(null, { 'content-length': '3' })],
    'the same length of a compressed file': [
      { 'content-encoding': 'gzip', 'content-length': '23' },
      file(null, { 'content-encoding': 'gzip', 'content-length': '23' }),
    ],
    'a length that only one answer has': [
      { 'content-encoding': 'gzip' },
      file(null, { 'content-encoding': 'br', 'content-length': '20' }),
    ],
    'no length at all': [{}, file(null)],
    'a HEAD that is forbidden': [{ etag: '"1"' }, only('HEAD', status(403), file('one', { etag: '"1"' }))],
    'a HEAD that is not allowed': [{ etag: '"1"' }, only('HEAD', status(405), file('one', { etag: 'W/"1"' }))],
    'a HEAD that is not implemented': [{ etag: '"1"' }, only('HEAD', status(501), file('one', { etag: '"1"' }))],
    'a server that is overloaded': [{ etag: '"1"' }, status(503)],
    'a server that is asked too often': [{ etag: '"1"' }, status(429)],
  };
  for (const [what, [stored, now]] of Object.entries(same)) {
    entries.clear();
    fakeFetch({ [URL_OF]: file('one', stored) });
    await get(OWN, REQUEST);
    const requests = fakeFetch({ [URL_OF]: now });
    assert.equal(await get(OWN, REQUEST), 'one', what);
    assert.ok(requests.length <= 2, `${what}: ${requests}`);
    assert.ok(entries.has(URL_OF), what);
  }
  const changed = {
    'another entity tag': [{ etag: '"1"' }, { etag: 'W/"2"' }],
    'another date': [
      { 'last-modified': 'Sun, 29 Nov 2026 08:00:00 GMT' },
      { 'last-modified': 'Mon, 30 Nov 2026 08:00:00 GMT' },
    ],
    'another length': [{}, { 'content-length': '4' }],
  };
  for (const [what, [stored, now]] of Object.entries(changed)) {
    entries.clear();
    fakeFetch({ [URL_OF]: file('one', stored) });
    await get(OWN, REQUEST);
    fakeFetch({ [URL_OF]: file('next', now) });
    assert.equal(await get(OWN, REQUEST), 'next', what);
  }
});

test('a file that is stored here is not taken from the HTTP cache of the browser', async () => {
  const modes = [];
  globalThis.fetch = async (_, { cache }) => (modes.push(cache), new Response('one'));
  await get(PINNED, REQUEST);
  await get(PINNED, REQUEST, { useBrowserCache: false });
  assert.deepEqual(modes, ['no-store', 'no-cache']);
});

test('files that were forgotten are fetched again', async () => {
  fakeFetch({ [URL_OF]: file('{"error":"overloaded"}', { etag: '"1"' }) });
  await get(PINNED, REQUEST);
  await forgetFiles(PINNED, ['w', 'another']);
  fakeFetch({ [URL_OF]: file('one', { etag: '"1"' }) });
  assert.equal(await get(PINNED, REQUEST), 'one');
});

test('an optional file that does not exist is not looked for by a page that is offline', async () => {
  const optional = { ...REQUEST, optional: true };
  const offline = async () => {
    throw new TypeError('offline');
  };
  const absent = [204, 205, 403, 404, 410].map((status) => () => new Response(null, { status }));
  for (const make of [...absent, file('<!doctype html>', { 'content-type': 'text/html' })]) {
    entries.clear();
    fakeFetch({ [URL_OF]: make });
    for (const folder of [OWN, PINNED]) assert.equal(await get(folder, optional), undefined);
    globalThis.fetch = offline;
    assert.equal(await get(OWN, optional), undefined);
    // A file that is needed is a fault all the same.
    await assert.rejects(get(OWN, REQUEST), { kind: 'invalid-artefact', retryable: true });
    // Once it exists it is found, and kept.
    fakeFetch({ [URL_OF]: file('one') });
    assert.equal(await get(OWN, optional), 'one');
    globalThis.fetch = offline;
    assert.equal(await get(OWN, optional), 'one');
  }
  entries.clear();
  await assert.rejects(get(OWN, optional), { kind: 'invalid-artefact', retryable: true });
});

test('an extension or an app that lacks an optional file rejects, which is no fault of the network', async () => {
  globalThis.fetch = async () => {
    throw new TypeError('Failed to fetch');
  };
  for (const url of ['chrome-extension://abc/m/', 'moz-extension://abc/m/', 'tauri://localhost/m/', 'file:///m/']) {
    const folder = { url, immutable: false };
    assert.equal(await get(folder, { ...REQUEST, optional: true }), undefined, url);
    await assert.rejects(get(folder, REQUEST), { kind: 'invalid-artefact' }, url);
    await assert.rejects(
      get(folder, { name: 'tauri://elsewhere/w', optional: true }),
      { message: /another host/ },
      url,
    );
  }
});

test('two loads at once download a file once', async () => {
  const waiting = [];
  let held = false;
  // Web Locks, as far as they are used.
  const locks = {
    async request(_name, _options, work) {
      while (held) await new Promise((resolve) => waiting.push(resolve));
      held = true;
      try {
        return await work();
      } finally {
        held = false;
        for (const wake of waiting.splice(0)) wake();
      }
    },
  };
  const { navigator } = globalThis;
  Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true });
  try {
    const requests = fakeFetch({ [URL_OF]: file('one', { etag: '"1"' }) });
    assert.deepEqual(await Promise.all([get(PINNED, REQUEST), get(PINNED, REQUEST)]), ['one', 'one']);
    assert.deepEqual(requests, [`GET ${URL_OF}`]);
    // One that fails leaves the next its turn.
    entries.clear();
    let failures = 1;
    fakeFetch({ [URL_OF]: () => (failures-- > 0 ? new Response(null, { status: 503 }) : new Response('one')) });
    const [first, second] = await Promise.allSettled([get(PINNED, REQUEST), get(PINNED, REQUEST)]);
    assert.deepEqual([first.reason.kind, second.value], ['invalid-artefact', 'one']);
    // A frame without storage may have locks that refuse.
    entries.clear();
    locks.request = async () => Promise.reject(new DOMException('no', 'SecurityError'));
    assert.equal(await get(PINNED, REQUEST), 'one');
  } finally {
    Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  }
});

test('a browser that refuses its cache is no obstacle', async () => {
  globalThis.caches.open = async () => {
    throw new DOMException('no', 'SecurityError');
  };
  fakeFetch({ [URL_OF]: file('one') });
  assert.equal(await get(OWN, REQUEST), 'one');
});

test('bytes are handed over as they arrive, once they are found not to be an HTML page', async () => {
  let source;
  const stream = new ReadableStream({ start: (controller) => (source = controller) });
  fakeFetch({ [URL_OF]: () => new Response(stream, { headers: { 'content-length': '200' } }) });
  const written = [];
  const sink = { expect: (bytes) => written.push(`expect ${bytes}`), write: (bytes) => written.push(bytes.length) };
  const fetched = fetchFile(OWN, REQUEST, sink, {
    useBrowserCache: false,
    progress: new Progress('m', () => undefined),
    signal: new AbortController().signal,
  });
  const eventLoop = () => new Promise((resolve) => setTimeout(resolve));
  for (const length of [30, 40, 100]) source.enqueue(new Uint8Array(length));
  await eventLoop();
  assert.deepEqual(written, ['expect 200', 70, 100]);
  source.enqueue(new Uint8Array(30));
  await eventLoop();
  assert.deepEqual(written.slice(3), [30]);
  source.close();
  assert.deepEqual([await fetched, written.length], [true, 4]);
});

test('an error of the receiver ends the download and is rethrown', async () => {
  let cancelled = false;
  const stream = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(100)),
    cancel: () => void (cancelled = true),
  });
  fakeFetch({ [URL_OF]: () => new Response(stream) });
  const sink = { expect() {}, write: () => assert.fail('no tensor') };
  await assert.rejects(
    fetchFile(OWN, REQUEST, sink, {
      useBrowserCache: true,
      progress: new Progress('m', () => undefined),
      signal: new AbortController().signal,
    }),
    /no tensor/,
  );
  assert.deepEqual([cancelled, entries.size], [true, 0]);
});
