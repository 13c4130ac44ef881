// Load test: ten thousand questions through the whole stack while the server fails at random. Each is answered once, and no
// memory is leaked.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startFaults } from './faults-server.mjs';
import { LIMIT, openBrowser } from './package-page.mjs';

/** For a quicker run: PILOT_LIGHT_QUESTIONS=1000. */
const QUESTIONS = Number(process.env.PILOT_LIGHT_QUESTIONS ?? 10_000);
/** They come in so many waves; memory is measured after the first and after the last. */
const WAVES = 20;
/** The most that memory may grow, in bytes: less than the size of all request bodies. */
const GROWTH = 4 << 20;

/** Faults that take no time, and answers, in a fixed pseudo-random order. */
const BEHAVIOURS = [
  'stream',
  'stream',
  'json-without-type',
  'json-without-type',
  '500',
  '429-after-0',
  '401',
  'html',
  'short-of-length',
  'stream-error-503',
  'stream-of-nothing',
  'empty-choices',
  'refusal',
  'stream-outside-label',
];
let seed = 7;
const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
const SCRIPT = Array.from({ length: 4 * QUESTIONS }, () => BEHAVIOURS[Math.floor(random() * BEHAVIOURS.length)]);

describe('ten thousand questions', LIMIT, () => {
  let server;
  let opened;
  before(async () => {
    server = await startFaults(() => SCRIPT);
    opened = await openBrowser({ webgpu: 'none' });
  });
  after(async () => {
    await opened?.close();
    await server?.stop();
  });

  test('each is answered once, and memory does not grow', async (t) => {
    const page = await opened.page({ worker: false });
    await page.evaluate(inPage, {
      local: { task: 'text-classification', model: '/golden/tiny-bert-seq' },
      url: server.url,
    });
    const devtools = await page.context().newCDPSession(page);
    /** The memory of JavaScript and of WebAssembly, both in the page here. */
    const memory = async () => {
      await devtools.send('HeapProfiler.collectGarbage');
      const { usedSize } = await devtools.send('Runtime.getHeapUsage');
      return { scripts: usedSize, wasm: await page.evaluate(wasmBytes) };
    };
    let first;
    const reasons = {};
    for (let wave = 0; wave < WAVES; wave += 1) {
      const counts = await page.evaluate((size) => ask(size), QUESTIONS / WAVES);
      for (const [reason, count] of Object.entries(counts)) reasons[reason] = (reasons[reason] ?? 0) + count;
      first ??= await memory();
      assert.deepEqual(await page.evaluate(() => rest()), [0, []]);
    }
    const last = await memory();
    t.diagnostic(JSON.stringify({ reasons, requests: server.of('any').count, first, last }));
    assert.equal(
      Object.values(reasons).reduce((sum, count) => sum + count, 0),
      QUESTIONS,
    );
    for (const reason of ['unsure', 'remote-refused', 'remote-invalid', 'retry-budget'])
      assert.ok(reasons[reason] > 0, reason);
    for (const of of ['scripts', 'wasm'])
      assert.ok(last[of] - first[of] < GROWTH, `${of}: from ${first[of]} to ${last[of]} bytes`);
  });
});

/** Runs in the page: the memory of its only WebAssembly instance. */
async function wasmBytes() {
  const { default: instance } = await import('/pilot-light/wasm/cpu/pilot_light.js');
  return (await instance()).memory.buffer.byteLength;
}

/** Runs in the page. */
async function inPage({ local, url }) {
  Object.assign(globalThis, { timers: new Set(), unhandled: [] });
  // The build without threads, whose memory is measured.
  pilot.env.cpuBuild = 'cpu';
  addEventListener('unhandledrejection', ({ reason }) => unhandled.push(String(reason)));
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  globalThis.setTimeout = (work, ...rest) => {
    const timer = set(() => (timers.delete(timer), work()), ...rest);
    timers.add(timer);
    return timer;
  };
  globalThis.clearTimeout = (timer) => (timers.delete(timer), clear(timer));
  // Short pauses and a breaker that never opens, so that the stack is busy.
  const remote = { baseURL: url, model: 'any', retries: 1, breaker: { failures: 1e9, rest_ms: 1 } };
  const triage = await cascade({ local, remote, policy: { threshold: 1, privacy: 'allow' } });
  const pause = () => new Promise((resolve) => set(resolve, 100));
  // Those of the load, such as the one that ends the worker of digests.
  while (timers.size > 0) await pause();
  /** The timers and errors that are left once what was answered is stored, which a timer of five seconds bounds. */
  globalThis.rest = async () => {
    for (let waited = 0; timers.size > 0 && waited < 20; waited += 1) await pause();
    return [timers.size, unhandled];
  };
  let asked = 0;
  /** Asks so many questions at once, half of them streamed; gives the number of answers by reason. */
  globalThis.ask = async (size) => {
    const counts = {};
    const answered = async (text, options) => {
      const { reason } = await triage(text, options);
      counts[reason] = (counts[reason] ?? 0) + 1;
    };
    const questions = Array.from({ length: size }, () => (asked += 1));
    await Promise.all(
      questions.map((i) => answered(`question ${i}`, i % 2 ? { stream_callback: () => undefined } : {})),
    );
    return counts;
  };
}
