// Redaction end to end: what leaves the device under each privacy policy, and what comes back, with the real redactor.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { LIMIT, openBrowser } from './package-page.mjs';
import { startRemote } from './remote.mjs';

const TEXT =
  'Jane Doe (jane@example.org, card 4111 1111 1111 1111) lives in Springfield. Jane Doe, yes; jane@example.org.';
const VALUES = ['Jane', 'Doe', 'jane@example.org', '4111', 'Springfield'];
const CLASSIFY = { task: 'text-classification', model: '/golden/tiny-bert-seq' };
const FIND = { task: 'token-classification', model: '/models/rampart' };

for (const worker of [true, false]) {
  describe(`privacy, ${worker ? 'in a worker' : 'in place'}`, LIMIT, () => {
    let remote;
    let seen = [];
    let reply;
    let opened;
    let page;
    before(async () => {
      remote = await startRemote({
        reply(request) {
          seen.push(request);
          return { content: JSON.stringify(reply(request.messages.at(-1).content)) };
        },
      });
      opened = await openBrowser({ webgpu: 'none' });
      page = await opened.page({ worker });
      await page.evaluate(
        ({ baseURL }) => {
          /** The answers to `texts`, and the bodies of the requests that the page was told of. */
          globalThis.ask = async ({ stream, remote, ...options }, texts) => {
            const triage = await cascade({
              remote: { baseURL, model: 'any', ...remote },
              ...options,
              policy: { threshold: 1, ...options.policy },
            });
            const [bodies, words] = [[], []];
            const watchers = {
              request_callback: ({ body }) => bodies.push(body),
              ...(stream && { stream_callback: (piece) => words.push(piece) }),
            };
            try {
              return { answers: await triage(texts, watchers), bodies, words };
            } finally {
              await triage.dispose();
            }
          };
        },
        { baseURL: remote.url },
      );
    });
    after(async () => {
      await opened?.close();
      await remote?.stop();
    });
    afterEach(() => {
      seen = [];
      page.requested.length = 0;
    });
    const ask = (options, texts = [TEXT]) => page.evaluate(([options, texts]) => ask(options, texts), [options, texts]);

    test('personal data does not leave, and what was taken out is counted', async () => {
      reply = () => ({ label: 'neutral' });
      const {
        answers: [answer],
        bodies,
      } = await ask({ local: CLASSIFY });
      assert.deepEqual([answer.route, answer.output, seen.length], ['remote', { label: 'neutral' }, 1], answer.detail);
      const text = seen[0].messages.at(-1).content;
      for (const value of VALUES) assert.ok(!bodies.join().includes(value), `${value} is in ${bodies}`);
      const placeholders = text.match(/\[[A-Z0-9_]+_\d+\]/g);
      assert.ok(placeholders.length > new Set(placeholders).size, text);
      assert.deepEqual(
        answer.replaced.find(({ kind }) => kind === 'EMAIL'),
        { kind: 'EMAIL', values: 1, places: 2 },
      );
      assert.deepEqual(
        answer.replaced.find(({ kind }) => kind === 'CARD'),
        { kind: 'CARD', values: 1, places: 1 },
      );
      assert.ok(answer.redaction_latency_ms > 0 && answer.latency_ms > answer.redaction_latency_ms);
      assert.equal(
        answer.replaced.reduce((sum, { places }) => sum + places, 0),
        placeholders.length,
      );
      for (const value of VALUES) assert.ok(!JSON.stringify(answer.replaced).includes(value));
      // What the page was told is what the server received.
      assert.deepEqual(JSON.parse(bodies[0]).messages, seen[0].messages);
    });

    test('the policy may allow everything to leave, or nothing', async () => {
      reply = () => ({ label: 'neutral' });
      const {
        answers: [open],
        bodies,
      } = await ask({ local: CLASSIFY, policy: { privacy: 'allow' } });
      assert.deepEqual(
        [open.route, open.replaced, JSON.parse(bodies[0]).messages.at(-1).content],
        ['remote', undefined, TEXT],
      );
      const {
        answers: [closed],
      } = await ask({ local: CLASSIFY, policy: { privacy: 'local-only' } });
      assert.deepEqual([closed.route, closed.reason, closed.degraded, seen.length], ['local', 'local-only', true, 1]);
      assert.ok(!page.requested.some((path) => path.startsWith('/models/rampart')), 'neither needs a redactor');
    });

    test('the redactor is loaded when something is to be sent, once for all', async () => {
      reply = () => ({ label: 'neutral' });
      await page.evaluate(() => (pilot.env.useBrowserCache = false));
      await ask({ local: CLASSIFY, policy: { threshold: 0 } });
      assert.ok(!page.requested.some((path) => path.startsWith('/models/rampart')));
      const [one, other] = await Promise.all([
        ask({ local: CLASSIFY }, [TEXT, 'Of Jim.', 'Of Ann.']),
        ask({ local: CLASSIFY }),
      ]);
      for (const { route } of [...one.answers, ...other.answers]) assert.equal(route, 'remote');
      assert.equal(page.requested.filter((path) => path.endsWith('/model_q4.onnx')).length, 1);
      await page.evaluate(() => (pilot.env.useBrowserCache = true));
    });

    for (const [what, redactor] of [
      ['is not there', '/models/none'],
      ['does not find words', '/models/all-MiniLM-L6-v2'],
    ]) {
      test(`with a redactor that ${what} nothing is sent`, async () => {
        const {
          answers: [answer],
          bodies,
        } = await ask({ local: CLASSIFY, redactor });
        assert.deepEqual(
          [answer.route, answer.reason, answer.degraded, bodies, seen],
          ['local', 'redactor-unavailable', true, [], []],
        );
        assert.notEqual(answer.detail ?? '', '');
      });
    }

    test('a redactor that could not be loaded is tried again', async () => {
      reply = () => ({ label: 'neutral' });
      const context = page.context();
      await context.route('**/models/rampart/config.json', (route) => route.abort());
      const reasons = await page.evaluate(
        async ([local, baseURL, text]) => {
          pilot.env.useBrowserCache = false;
          globalThis.triage = await cascade({ local, remote: { baseURL, model: 'any' }, policy: { threshold: 1 } });
          return [(await triage(text)).reason];
        },
        [CLASSIFY, remote.url, TEXT],
      );
      await context.unroute('**/models/rampart/config.json');
      reasons.push(
        await page.evaluate(async (text) => {
          pilot.env.useBrowserCache = true;
          const { reason } = await triage(text);
          await triage.dispose();
          return reason;
        }, TEXT),
      );
      assert.deepEqual([reasons, seen.length], [['redactor-unavailable', 'unsure'], 1]);
    });

    test('a redactor whose load hangs is not waited for without end', async () => {
      const impatient = await opened.page({ worker });
      const hanging = new Promise((resolve) => impatient.context().route('**/models/rampart/config.json', resolve));
      await impatient.clock.install();
      const answer = impatient.evaluate(
        async ([local, baseURL, text]) => {
          pilot.env.useBrowserCache = false;
          const triage = await cascade({
            local,
            remote: { baseURL, model: 'any' },
            policy: { threshold: 1, deadline_ms: 300_000 },
          });
          const { route, reason, detail } = await triage(text);
          return { route, reason, detail };
        },
        [CLASSIFY, remote.url, TEXT],
      );
      await hanging;
      await impatient.clock.fastForward(121_000);
      const { route, reason, detail } = await answer;
      assert.deepEqual([route, reason, seen], ['local', 'redactor-unavailable', []]);
      assert.match(detail, /not loaded within 120 s/);
      await impatient.context().close();
    });

    test('a redactor of the page’s own is asked as well', async () => {
      reply = () => ({ label: 'neutral' });
      const redacted = await page.evaluate(
        async ([local, baseURL]) => {
          const bodies = [];
          const redactor = async (text) => [
            { start: text.indexOf('🦊'), end: text.indexOf('🦊') + 2, label: 'animal' },
          ];
          const triage = await cascade({
            local,
            redactor,
            remote: { baseURL, model: 'any' },
            policy: { threshold: 1 },
          });
          await triage('Żółw, 🦊 and ann@example.org', {
            request_callback: ({ body }) => bodies.push(JSON.parse(body).messages.at(-1).content),
          });
          await triage.dispose();
          return bodies;
        },
        [CLASSIFY, remote.url],
      );
      assert.deepEqual(redacted, ['Żółw, [ANIMAL_1] and [EMAIL_1]']);
    });

    test('an answer that has to be repaired is shown to the remote as it was', async () => {
      reply = (text) =>
        seen.length === 1 ? { entities: [{ label: 'NOBODY', text: text.match(/\[\w+_1\]/)[0] }] } : { entities: [] };
      const {
        answers: [answer],
        bodies,
      } = await ask({ local: FIND });
      assert.deepEqual(
        [answer.route, answer.output, answer.attempts, bodies.length],
        ['remote', [], 2, 2],
        answer.detail,
      );
      assert.match(JSON.parse(bodies[1]).messages[2].content, /NOBODY.*_1\]/);
      for (const value of VALUES) assert.ok(!bodies.join().includes(value), `${value} is in ${bodies}`);
    });

    for (const stream of [false, true]) {
      test(`placeholders in the reply come back as the original words${stream ? ', also when streamed' : ''}`, async () => {
        // It copies the first three placeholders and invents none: an invented one is not a valid answer.
        reply = (text) => ({
          entities: text
            .match(/\[[A-Z0-9_]+_\d+\]/g)
            .slice(0, 3)
            .map((text) => ({ label: 'SURNAME', text })),
        });
        const {
          answers: [answer],
          words,
        } = await ask({ local: FIND, stream });
        assert.deepEqual([answer.route, answer.reason], ['remote', 'unsure'], answer.detail);
        for (const { word, start, end } of answer.output) assert.equal(TEXT.slice(start, end), word);
        assert.equal(answer.output[0].start, 0);
        if (stream) {
          assert.match(words.join(''), /jane@example\.org/);
          assert.doesNotMatch(words.join(''), /\[[A-Z]+_/);
        }
      });
    }
  });
}
