// Fault injection: every way in which a remote model can misbehave, over HTTP in a browser. Each question ends exactly once,
// as the table in fault-cases.mjs says.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { FAULTS } from './fault-cases.mjs';
import { BEHAVIOURS, startFaults, WHOLE } from './faults-server.mjs';
import { LIMIT, openBrowser } from './package-page.mjs';

/** Of a few kilobytes, since each case loads a cascade. */
const LOCAL = { task: 'text-classification', model: '/golden/tiny-bert-seq' };
/** Cases in progress at once: fewer than a browser's six connections to a server. */
const CONCURRENCY = 5;
/** The most that a server may have sent of a flood (200 MB) when the client leaves. The real number depends on buffers. */
const MAX_BYTES = 100e6;
/**
 * The time for one attempt, and for a question, in milliseconds: much longer than either takes, and shorter than the 20 s
 * that the server asks for in 'ask-for-a-while', which must be refused.
 */
const [TIMEOUT_MS, DEADLINE_MS] = [15_000, 19_000];

test('the table covers every behaviour of the server', () => {
  assert.ok(FAULTS.length >= 60, `${FAULTS.length} cases`);
  const served = new Set(FAULTS.flatMap(({ serve }) => serve.map(String)));
  assert.deepEqual(
    BEHAVIOURS.filter((name) => !served.has(name) && name !== 'echo-the-key'),
    [],
  );
});

for (const worker of [true, false]) {
  describe(worker ? 'in a worker' : 'in place', LIMIT, () => {
    const scripts = new Map();
    let server;
    let opened;
    let page;
    let results;

    before(async () => {
      server = await startFaults((model) => scripts.get(model));
      opened = await openBrowser({ webgpu: 'none' });
      page = await opened.page({ worker });
      await page.evaluate(inPage, {
        local: LOCAL,
        url: server.url,
        hurried: !worker,
        timeout_ms: TIMEOUT_MS,
        deadline_ms: DEADLINE_MS,
      });
      for (const { id, serve } of FAULTS) scripts.set(id, serve);
      results = pool(FAULTS, CONCURRENCY, (fault) => {
        if (fault.abort === 'server')
          void server.of(fault.id).whenReached.then(() => page.evaluate((id) => aborts.get(id).abort(), fault.id));
        return page.evaluate((fault) => run(fault), fault);
      });
    });
    after(async () => {
      await opened?.close();
      await server?.stop();
    });

    for (const fault of FAULTS) {
      test(fault.name, async () => {
        const { answers, next } = await results.get(fault);
        assert.deepEqual(
          answers.map(({ reason }) => reason),
          fault.reasons,
          JSON.stringify(answers),
        );
        for (const { reason, route, degraded, detail, label, words } of answers) {
          if (reason === 'cancelled') continue;
          assert.deepEqual([route, degraded], reason === 'unsure' ? ['remote', false] : ['local', true]);
          if (reason === 'unsure') assert.equal(label, 'positive');
          if (reason.startsWith('remote-')) assert.ok(detail?.length > 0 && detail.length < 600, detail);
          if (fault.words !== undefined) assert.equal(words, fault.words);
        }
        if (fault.then !== undefined) assert.equal(next.reason, fault.then);
        const { bodies, bytes } = server.of(fault.id);
        // Requests after those of the table belong to the next question.
        if (fault.requests !== undefined && fault.then === undefined) assert.equal(bodies.length, fault.requests);
        assert.ok(bytes < MAX_BYTES, `${bytes} bytes were taken in`);
      });
    }

    test('a reply that is cut at any byte is either an answer or a connection that broke', async () => {
      for (const [form, whole] of Object.entries(WHOLE)) {
        const asks = whole.length + 1;
        scripts.set(
          form,
          Array.from({ length: asks }, (_, bytes) => `cut-${form}-${bytes}`),
        );
        // No retries, and a breaker that never opens.
        const remote = { retries: 0, breaker: { failures: 2 * asks, rest_ms: 1 } };
        const { answers } = await page.evaluate((fault) => run(fault), {
          id: form,
          asks,
          stream: form === 'stream',
          remote,
        });
        assert.equal(server.of(form).bodies.length, asks);
        // A stream is complete once it has given its finish reason; any other reply ends with the connection, which breaks. Of what
        // arrives just before the break, the browser may or may not hand on the last bytes.
        const enough = form === 'stream' ? whole.indexOf('\n\ndata: [DONE]') : Infinity;
        for (const [bytes, { reason, label }] of answers.entries()) {
          if (reason === 'unsure') assert.ok(bytes >= enough && label === 'positive', `${form} at ${bytes}`);
          else assert.equal(reason, 'remote-unreachable', `${form} at ${bytes}`);
        }
      }
    });

    test('a key is in the header of the request and nowhere else', async () => {
      const apiKey = 'a-key-of-no-known-form';
      scripts.set('key', ['echo-the-key']);
      const remote = { apiKey, dangerouslyAllowBrowserKey: true };
      const {
        answers: [answer],
      } = await page.evaluate((fault) => run(fault), { id: 'key', remote });
      assert.equal(server.of('key').authorization, `Bearer ${apiKey}`);
      assert.deepEqual([answer.reason, answer.detail], ['remote-refused', 'status 401: no such key: Bearer [TOKEN]']);
      const { error } = await page.evaluate(
        ({ local, apiKey }) => outcome(cascade({ local, remote: { baseURL: '/v1', model: 'any', apiKey } })),
        { local: LOCAL, apiKey },
      );
      assert.deepEqual([error.kind, error.message.includes(apiKey)], ['invalid-input', false]);
      const stored = await page.evaluate(async () => {
        const caches_ = await Promise.all(
          (await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => url)),
        );
        return JSON.stringify([caches_, { ...localStorage }, { ...sessionStorage }, logged]);
      });
      assert.ok(!stored.includes(apiKey), stored);
    });

    test('afterwards nothing is left: no timer, no rejection, no request', async () => {
      await Promise.all(results.values());
      const left = await page.evaluate(() => ({ timers: timers.size, unhandled }));
      assert.deepEqual(left, { timers: 0, unhandled: [] });
      for (const { id, requests, then } of FAULTS) {
        if (requests !== undefined && then === undefined) assert.equal(server.of(id).bodies.length, requests, id);
      }
    });
  });
}

/** Runs `work` for each of `jobs`, at most `width` at once; gives the promise of each. */
function pool(jobs, width, work) {
  let running = Promise.resolve();
  const free = Array.from({ length: width }, () => running);
  const results = new Map();
  jobs.forEach((job, i) => {
    // Each job waits for the one `width` positions before it.
    running = free[i % width].then(() => work(job));
    free[i % width] = running.catch(() => undefined);
    results.set(job, running);
  });
  // A failed case is reported by its own test.
  for (const result of results.values()) result.catch(() => undefined);
  return results;
}

/** Runs in the page. */
function inPage({ local, url, hurried, timeout_ms, deadline_ms }) {
  // One thread, so that no timer is a helper's.
  pilot.env.cpuBuild = 'cpu';
  // Without a worker, the random pauses before retries are drawn here: all of them are zero.
  if (hurried) Math.random = () => 0;
  Object.assign(globalThis, { aborts: new Map(), timers: new Set(), unhandled: [], logged: [] });
  addEventListener('unhandledrejection', ({ reason }) => unhandled.push(String(reason)));
  for (const level of ['log', 'warn', 'error', 'info', 'debug']) {
    const original = console[level];
    console[level] = (...words) => {
      logged.push(words.map(String).join(' '));
      original.apply(console, words);
    };
  }
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  globalThis.setTimeout = (work, ...rest) => {
    const timer = set(
      () => {
        timers.delete(timer);
        work();
      },
      ...rest,
    );
    timers.add(timer);
    return timer;
  };
  globalThis.clearTimeout = (timer) => {
    timers.delete(timer);
    clear(timer);
  };

  /** One case of the table. */
  globalThis.run = async ({ id, asks = 1, remote, policy, redactor, stream, abort, together, then }) => {
    const controller = new AbortController();
    aborts.set(id, controller);
    const leave = (value) => {
      controller.abort();
      return value;
    };
    const redactors = { redactor: async () => leave([]), hangs: () => new Promise(() => abort === 'soon' && leave()) };
    const triage = await cascade({
      local,
      remote: {
        baseURL: url,
        model: id,
        timeout_ms,
        ...remote,
        ...(abort === 'getToken' && { getToken: async () => leave('token') }),
      },
      policy: { threshold: 1, privacy: 'allow', deadline_ms, ...policy },
      redactor: redactors[redactor ?? abort] ?? '/models/none',
    });
    const ask = async (signal) => {
      let words = '';
      try {
        const { reason, route, degraded, detail, output } = await triage('What is this?', {
          ...(signal && { signal }),
          ...(stream && { stream_callback: (text) => (words += text) }),
        });
        return { reason, route, degraded, detail, label: output.label, words };
      } catch (error) {
        return { reason: error.kind, detail: error.message };
      }
    };
    if (abort === 'at once') controller.abort();
    const answers = [];
    if (together) answers.push(...(await Promise.all(Array.from({ length: asks }, () => ask(controller.signal)))));
    else for (let i = 0; i < asks; i += 1) answers.push(await ask(controller.signal));
    let next;
    // Asked until the breaker closes.
    if (then !== undefined) {
      do next = await ask();
      while (next.reason === 'breaker-open');
    }
    await triage.dispose();
    return { answers, next };
  };
}
