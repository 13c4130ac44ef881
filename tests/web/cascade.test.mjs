// The cascade with a remote over HTTP: what stays, what is sent, and the result of each fault of the remote.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { LIMIT, openBrowser } from './package-page.mjs';
import { FAULTS, labelsOf, startRemote } from './remote.mjs';

const TEXT = 'You have been selected for a free cruise. Reply today, this is no joke.';
const KEY = 'the key that only the server knows';
/** A few kilobytes, since nearly every question here loads a cascade. */
const LOCAL = { task: 'text-classification', model: '/golden/tiny-bert-seq' };
const LABELS = ['negative', 'neutral', 'positive'];

/** The reason of the degraded local answer, by the remote's fault. */
const REASONS = {
  429: 'remote-refused',
  500: 'remote-refused',
  drop: 'remote-unreachable',
  'empty-choices': 'remote-invalid',
  html: 'remote-invalid',
  huge: 'remote-invalid',
  malformed: 'remote-invalid',
  'not-json': 'remote-invalid',
  'outside-label': 'remote-invalid',
  slow: 'remote-timeout',
};

test('every fault of the remote is tested', () => assert.deepEqual(Object.keys(REASONS).sort(), FAULTS));

for (const worker of [true, false]) {
  describe(worker ? 'in a worker' : 'in place', LIMIT, () => {
    let remote;
    let opened;
    let page;
    before(async () => {
      remote = await startRemote();
      opened = await openBrowser({ webgpu: 'none', remote: { url: remote.url, key: KEY, model: 'general' } });
      page = await opened.page({ worker });
      // With a threshold of 1 every answer is unsure, with 0 none.
      await page.evaluate((local) => {
        globalThis.LOCAL = local;
        globalThis.ask = async ({ threshold, remote, token }, text) => {
          const getToken = token && (async () => token);
          const triage = await cascade({
            local: LOCAL,
            policy: { threshold, privacy: 'allow' },
            ...(remote && { remote: { model: 'general', ...remote, ...(getToken && { getToken }) } }),
          });
          try {
            return await triage(text);
          } finally {
            await triage.dispose();
          }
        };
      }, LOCAL);
    });
    after(async () => {
      await opened?.close();
      await remote?.stop();
    });
    afterEach(() => {
      remote.set();
      remote.forget();
    });
    const ask = (options, text = TEXT) => page.evaluate(([options, text]) => ask(options, text), [options, text]);

    test('a confident answer stays local', async () => {
      const envelope = await ask({ threshold: 0, remote: { baseURL: '/v1' } });
      assert.deepEqual(
        [envelope.route, envelope.reason, envelope.degraded, envelope.threshold],
        ['local', 'confident', false, 0],
      );
      assert.ok(LABELS.includes(envelope.output.label));
      assert.ok(envelope.confidence > 1 / 3 && envelope.confidence <= 1);
      assert.equal(envelope.output.score, envelope.confidence);
      assert.ok(envelope.latency_ms >= 0 && envelope.local_latency_ms >= 0);
      assert.deepEqual([envelope.device.kind, envelope.device.requested], ['wasm', 'wasm']);
      assert.deepEqual([envelope.usage, envelope.remote_latency_ms, remote.requests], [undefined, undefined, []]);
    });

    test('an unsure one goes to the remote, whose answer is the answer', async () => {
      for (const label of LABELS) {
        remote.set({ label: () => label });
        const envelope = await ask({ threshold: 1, remote: { baseURL: '/v1' } });
        assert.deepEqual(
          [envelope.output, envelope.route, envelope.reason, envelope.degraded],
          [{ label }, 'remote', 'unsure', false],
          envelope.detail,
        );
        const { prompt_tokens, completion_tokens, total_tokens } = envelope.usage;
        assert.ok(prompt_tokens > 0 && completion_tokens > 0 && total_tokens === prompt_tokens + completion_tokens);
        assert.ok(envelope.remote_latency_ms > 0 && envelope.latency_ms >= envelope.remote_latency_ms);
      }
      assert.equal(remote.requests.length, LABELS.length);
    });

    test('the request is one that every OpenAI-compatible server understands', async () => {
      await ask({ threshold: 1, remote: { baseURL: '/v1' } });
      const [{ headers, body }] = remote.requests;
      assert.match(headers['content-type'], /^application\/json/);
      assert.deepEqual([body.model, body.temperature, body.stream ?? false], ['general', 0, false]);
      assert.deepEqual(labelsOf(body).toSorted(), LABELS);
      const {
        type,
        json_schema: { name, strict, schema },
      } = body.response_format;
      assert.deepEqual(
        [type, strict, schema.type, schema.required, schema.additionalProperties],
        ['json_schema', true, 'object', ['label'], false],
      );
      assert.match(name, /^[\w-]{1,64}$/);
      assert.ok(
        body.messages.every(
          ({ role, content }) => ['system', 'developer', 'user'].includes(role) && typeof content === 'string',
        ),
      );
      assert.ok(body.messages.at(-1).content.includes(TEXT));
    });

    test("the page's server adds its key; a page may use its own", async () => {
      await ask({ threshold: 1, remote: { baseURL: '/v1' } });
      await ask({ threshold: 1, token: 'the token of the user', remote: { baseURL: remote.url } });
      await ask({ threshold: 1, remote: { baseURL: remote.url } });
      const tokens = remote.requests.map(({ headers }) => headers.authorization);
      assert.deepEqual(tokens, [`Bearer ${KEY}`, 'Bearer the token of the user', undefined]);
    });

    test('without a remote the answer is local and degraded', async () => {
      const envelope = await ask({ threshold: 1 });
      assert.deepEqual([envelope.route, envelope.reason, envelope.degraded], ['local', 'no-remote', true]);
      assert.deepEqual(remote.requests, []);
    });

    for (const [fault, reason] of Object.entries(REASONS)) {
      test(`with the fault '${fault}' the answer is local and degraded`, async () => {
        const { output } = await ask({ threshold: 0 });
        remote.set({ fault });
        // Directly to the remote: the page's server would reply for a connection that breaks.
        const envelope = await ask({
          threshold: 1,
          remote: { baseURL: remote.url, ...(fault === 'slow' && { timeout_ms: 500 }) },
        });
        assert.deepEqual(
          [envelope.reason, envelope.route, envelope.degraded, envelope.output],
          [reason, 'local', true, output],
          envelope.detail,
        );
        assert.notEqual(envelope.detail ?? '', '');
        remote.set();
        assert.equal((await ask({ threshold: 1, remote: { baseURL: remote.url } })).route, 'remote');
      });
    }

    test('without a connection the answer is local and degraded', async () => {
      const gone = await startRemote();
      await gone.stop();
      const envelope = await ask({ threshold: 1, remote: { baseURL: gone.url } });
      assert.deepEqual([envelope.reason, envelope.route, envelope.degraded], ['remote-unreachable', 'local', true]);
    });

    test('without its token nothing is sent', async () => {
      const envelope = await page.evaluate(
        async ([baseURL, text]) => {
          const getToken = () => Promise.reject(new Error('signed out'));
          const triage = await cascade({
            local: LOCAL,
            remote: { baseURL, model: 'general', getToken },
            policy: { threshold: 1, privacy: 'allow' },
          });
          return triage(text);
        },
        [remote.url, TEXT],
      );
      assert.deepEqual([envelope.route, envelope.degraded, remote.requests], ['local', true, []]);
      assert.match(envelope.reason, /^remote-/);
    });

    test('several texts come back in their order', async () => {
      remote.set({ label: ({ messages }) => (/even/.test(messages.at(-1).content) ? 'positive' : 'negative') });
      const texts = Array.from({ length: 12 }, (_, i) => `message ${i} is ${i % 2 ? 'odd' : 'even'}`);
      const envelopes = await ask({ threshold: 1, remote: { baseURL: '/v1' } }, texts);
      assert.deepEqual(
        envelopes.map(({ route }) => route),
        texts.map(() => 'remote'),
      );
      assert.deepEqual(
        envelopes.map(({ output }) => output.label),
        texts.map((_, i) => (i % 2 ? 'negative' : 'positive')),
      );
      assert.equal(remote.requests.length, texts.length);
    });

    test('the threshold may be changed', async () => {
      const routes = await page.evaluate(async (text) => {
        const triage = await cascade({
          local: LOCAL,
          remote: { baseURL: '/v1', model: 'general' },
          policy: { threshold: 0, privacy: 'allow' },
        });
        const routes = [(await triage(text)).route];
        triage.threshold = 1;
        routes.push((await triage(text)).route, triage.threshold);
        const { error } = await outcome((async () => (triage.threshold = 2))());
        return [...routes, error.kind, triage.threshold];
      }, TEXT);
      assert.deepEqual(routes, ['local', 'remote', 1, 'invalid-input', 1]);
    });

    test('an abort during a request', async () => {
      remote.set({ fault: 'slow' });
      const { error } = await page.evaluate(
        async ([baseURL, text]) => {
          const triage = await cascade({
            local: LOCAL,
            // The token is requested after the local answer, so the abort comes during the request.
            remote: { baseURL, model: 'general', getToken: () => void setTimeout(() => controller.abort()) },
            policy: { threshold: 1, privacy: 'allow' },
          });
          const controller = new AbortController();
          return outcome(triage(text, { signal: controller.signal }));
        },
        [remote.url, TEXT],
      );
      assert.deepEqual([error?.name, error?.kind], ['AbortError', 'cancelled']);
    });
  });
}
