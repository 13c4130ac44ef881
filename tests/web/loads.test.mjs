// Loads over a server that misbehaves once, is gone, or is slow: what stays in the cache, what is asked for again, and what an
// abort leaves behind.
import assert from 'node:assert/strict';
import { createReadStream, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { launchOptions } from './browser.mjs';
import { LIMIT } from './package-page.mjs';

const DIST = fileURLToPath(new URL('../../js/dist/', import.meta.url));
const MODEL = fileURLToPath(new URL('../golden/tiny-bert-seq/', import.meta.url));
const TYPES = { '.js': 'text/javascript', '.json': 'application/json', '.wasm': 'application/wasm' };
const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};
const FILES = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'];
/** The weights of a model that are never whole: the header, and how many numbers follow it. */
const LARGE = 1 << 24;
const HEADER = JSON.stringify({ weights: { dtype: 'F32', shape: [LARGE], data_offsets: [0, 4 * LARGE] } });

describe('loads', LIMIT, () => {
  let server;
  let address;
  let browser;
  /** Answers a request for a file of the model, if it is to be answered in another way than by the file. */
  let answer;
  let requests;

  before(async () => {
    server = createServer((request, response) => void respond(request, response));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${server.address().port}`;
    browser = await chromium.launch(launchOptions('none'));
  });
  after(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });
  beforeEach(() => {
    answer = () => false;
    requests = [];
  });

  async function respond(request, response) {
    const { pathname } = new URL(request.url, address);
    if (pathname === '/')
      return response.writeHead(200, { 'content-type': 'text/html', ...ISOLATED }).end('<!doctype html>');
    const [, kind, ...path] = pathname.split('/');
    const name = path.at(-1);
    if (kind === 'models') {
      requests.push(`${request.method} ${name}`);
      if (answer(name, request, response)) return undefined;
    }
    const file = kind === 'models' ? join(MODEL, name) : join(DIST, ...path);
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) return response.writeHead(404).end('not there');
    const etag = '"v1"';
    const headers = {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      ...ISOLATED,
      ...(kind === 'models' && { etag }),
    };
    if (kind === 'models' && request.headers['if-none-match'] === etag) return response.writeHead(304, headers).end();
    response.writeHead(200, { ...headers, 'content-length': found.size });
    return request.method === 'HEAD' ? response.end() : createReadStream(file).pipe(response);
  }

  /** A page of a profile of its own, or another tab of the profile of `of`. */
  async function open(of) {
    const context = of?.context() ?? (await browser.newContext());
    const page = await context.newPage();
    page.setDefaultTimeout(LIMIT.timeout);
    await page.goto(address);
    await page.evaluate(async () => {
      globalThis.pilot = await import('/pilot-light/index.js');
      globalThis.load = async (name, options) => {
        try {
          const classify = await pilot.pipeline('text-classification', `/models/${name}`, {
            device: 'wasm',
            ...options,
          });
          const [{ label }] = await classify('The rain began.');
          await classify.dispose();
          return label;
        } catch ({ kind, message }) {
          return `${kind}: ${message}`;
        }
      };
    });
    return page;
  }
  const load = (page, name = 'tiny') => page.evaluate((name) => load(name), name);
  const gets = (name) => requests.filter((request) => request === `GET ${name}`).length;

  const BAD = {
    'cut at 20,000 bytes': (bytes) => bytes.subarray(0, 20_000),
    'an error of the server': () => Buffer.from('{"error":"overloaded"}'),
    empty: () => Buffer.alloc(0),
    'cut at a half': (bytes) => bytes.subarray(0, bytes.length >> 1),
    'of something else': () => Buffer.from('Service is starting, please wait\n'.repeat(40)),
  };
  for (const [what, spoil] of Object.entries(BAD)) {
    for (const file of ['config.json', 'tokenizer.json', 'model.safetensors']) {
      const whole = readFileSync(join(MODEL, file));
      const bytes = spoil(whole);
      if (bytes.length === whole.length) continue;
      test(`${file} that is once ${what} is fetched again by the next load`, async () => {
        let bad = 1;
        answer = (name, { method }, response) => {
          if (name !== file || method !== 'GET' || bad-- <= 0) return false;
          // In pieces, without a length, and whole as far as the connection can tell.
          response.writeHead(200, { 'content-type': 'application/octet-stream', etag: '"v1"', ...ISOLATED });
          response.write(bytes);
          response.end();
          return true;
        };
        const page = await open();
        assert.match(await load(page), /^(invalid-artefact|unsupported): /);
        assert.equal(await load(page), 'neutral');
        // What was right stays where it is: the third load fetches nothing that exists.
        requests = [];
        assert.equal(await load(page), 'neutral');
        assert.deepEqual(
          FILES.filter((name) => gets(name) > 0),
          [],
        );
        await page.context().close();
      });
    }
  }

  test('two loads at once download once, in one tab and in two', async () => {
    const page = await open();
    const labels = await page.evaluate(() =>
      Promise.all([load('tiny'), load('tiny'), load('tiny', { worker: false }), load('tiny', { device: 'auto' })]),
    );
    assert.deepEqual(labels, Array(4).fill('neutral'));
    for (const name of FILES) assert.equal(gets(name), 1, name);
    await page.context().close();
    requests = [];
    const tabs = [await open()];
    tabs.push(await open(tabs[0]));
    assert.deepEqual(await Promise.all(tabs.map((tab) => load(tab))), ['neutral', 'neutral']);
    for (const name of FILES) assert.equal(gets(name), 1, name);
    await tabs[0].context().close();
  });

  for (const [what, status] of [
    ['does not exist', 404],
    ['is forbidden', 403],
    ['has no content', 204],
  ]) {
    test(`after one visit a model is loaded without its server, if an optional file ${what}`, async () => {
      answer = (name, _, response) => name === 'pilot.json' && Boolean(response.writeHead(status, ISOLATED).end());
      const page = await open();
      assert.equal(await load(page), 'neutral');
      answer = (_name, { socket }) => Boolean(socket.destroy());
      assert.equal(await load(page), 'neutral');
      await page.context().close();
    });
  }

  for (const [what, etag, head] of [
    ['weakens its entity tag', 'W/"v1"', 200],
    ['forbids HEAD', '"v1"', 403],
    ['does not allow HEAD', '"v1"', 405],
    ['is in trouble', '"v1"', 503],
  ]) {
    test(`a server that ${what} is not asked for the weights again`, async () => {
      const page = await open();
      assert.equal(await load(page), 'neutral');
      let sent = 0;
      answer = (name, { method }, response) => {
        if (!FILES.includes(name)) return false;
        if (method === 'HEAD') return Boolean(response.writeHead(head, { etag, ...ISOLATED }).end());
        sent += name === 'model.safetensors' ? 1 : 0;
        return false;
      };
      assert.equal(await load(page), 'neutral');
      // Where HEAD is not to be had a GET is begun, and given up with its headers.
      assert.ok(sent <= (head === 403 || head === 405 ? 1 : 0), `${sent} requests`);
      await page.context().close();
    });
  }

  test('a cache that never answers delays a load and does not stop it', async () => {
    const page = await open();
    const label = await page.evaluate(() => {
      CacheStorage.prototype.open = () => new Promise(() => undefined);
      return load('tiny', { worker: false });
    });
    assert.equal(label, 'neutral');
    await page.context().close();
  });

  // Chromium may leave a worker running that is started while the one around it ends. A load that fails cannot always avoid
  // that moment: one of 24 was left in one run of six, four in each run without the care that is taken.
  for (const [what, refuse, expected, most] of [
    ['are aborted', false, /^cancelled/, 0],
    ['fail while others of their files come', true, /^invalid-artefact/, 2],
  ]) {
    test(`loads that ${what} leave ${most === 0 ? 'no worker' : 'hardly a worker'} behind`, async () => {
      const start = Buffer.alloc(8 + HEADER.length);
      start.writeBigUInt64LE(BigInt(HEADER.length));
      start.write(HEADER, 8);
      const bytes = start.length + 4 * LARGE;
      // With a digest, for which a worker is started within the worker.
      const manifest = { files: { 'model.safetensors': { bytes, sha256: '0'.repeat(64) } } };
      let wait;
      answer = (name, { method }, response) => {
        if (name === 'pilot.json') return Boolean(response.writeHead(200, ISOLATED).end(JSON.stringify(manifest)));
        if (name === 'tokenizer.json' && refuse) {
          setTimeout(() => response.writeHead(200, ISOLATED).end('{'), wait);
          return true;
        }
        if (name !== 'model.safetensors' || method !== 'GET') return false;
        response.writeHead(200, { 'content-length': bytes, ...ISOLATED });
        response.write(start);
        // Slower than any of the loads lasts.
        const timer = setInterval(() => response.write(Buffer.alloc(1 << 17)), 50);
        response.on('close', () => clearInterval(timer));
        return true;
      };
      const page = await open();
      const cdp = await browser.newBrowserCDPSession();
      const workers = async () => {
        const { targetInfos } = await cdp.send('Target.getTargets', { filter: [{ type: 'worker' }] });
        return targetInfos.length;
      };
      let seen = 0;
      for (let i = 0; i < 24; i += 1) {
        wait = 100 + 30 * i;
        const ended = page.evaluate(
          (ms) => load('large', ms === undefined ? {} : { signal: AbortSignal.timeout(ms) }),
          refuse ? undefined : 500 + 30 * i,
        );
        seen = Math.max(seen, await workers());
        assert.match(await ended, expected);
      }
      assert.ok(seen > 0, 'workers are counted');
      let left = await workers();
      for (let waited = 0; left > most && waited < 30; waited += 1) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        left = await workers();
      }
      assert.ok(left <= most, `${left} workers are left`);
      await page.context().close();
    });
  }

  test('reactive arrays and objects are read as what they wrap', async () => {
    const page = await open();
    const [proxied, plain, envelope, words] = await page.evaluate(async () => {
      // As Vue and Svelte wrap arrays and objects, at any depth.
      const reactive = (target) =>
        new Proxy(target, {
          get(of, name, receiver) {
            const value = Reflect.get(of, name, receiver);
            return typeof value === 'object' && value !== null ? reactive(value) : value;
          },
        });
      const local = { task: 'text-classification', model: '/models/tiny', device: 'wasm' };
      const texts = ['The rain began.', 'Ann lives in Rome.'];
      const classify = await pilot.cascade(
        reactive({
          local,
          remote: { baseURL: '/v1', model: 'any' },
          policy: { privacy: 'local-only', budget: { requests_per_day: 3 } },
        }),
      );
      const proxied = await classify(reactive(texts));
      const plain = await classify(texts);
      const words = await classify.explain(reactive(proxied[0]));
      const rank = await pilot.pipeline('zero-shot-classification', '/models/tiny', { device: 'wasm' });
      await rank(reactive(texts), reactive(['a', 'b']), reactive({ multi_label: true }));
      return [proxied, plain, proxied[0], words];
    });
    const labels = (envelopes) => envelopes.map(({ output: { label } }) => label);
    assert.deepEqual(labels(proxied), labels(plain));
    assert.equal(envelope.route, 'local');
    assert.match(words, /local/i);
    await page.context().close();
  });
});
