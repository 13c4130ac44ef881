// Spending caps: shared by several tabs at once, after a reload, and where spending cannot be stored.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startFaults } from './faults-server.mjs';
import { LIMIT, openBrowser } from './package-page.mjs';

const LOCAL = { task: 'text-classification', model: '/golden/tiny-bert-seq' };
/** Questions that each tab asks at once. */
const ASKS = 12;

describe('spending', LIMIT, () => {
  let server;
  let opened;
  let page;
  before(async () => {
    server = await startFaults(() => ['ok']);
    opened = await openBrowser({ webgpu: 'none' });
    page = await opened.page();
    // The engine's clock stands still: the minute of a cap, and the day, last for as long as a test takes.
    await page.context().route('**/worker.js', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: `Date.now = () => ${Date.now()};\n${await response.text()}` });
    });
    await page.evaluate(inPage, { local: LOCAL, url: server.url });
  });
  after(async () => {
    await opened?.close();
    await server?.stop();
  });

  /** Another tab of the same origin. */
  const anotherTab = async () => {
    const tab = await opened.tab(page);
    await tab.evaluate(inPage, { local: LOCAL, url: server.url });
    return tab;
  };

  const ask = (tab, model, remote, asks = ASKS) =>
    tab.evaluate(([model, remote, asks]) => spend(model, remote, asks), [model, remote, asks]);
  const count = (reasons, reason) => reasons.filter((one) => one === reason).length;

  test('tabs that ask at once share a cap on requests, also after a reload', async () => {
    const caps = { requests_per_minute: 10 };
    const tabs = [page, await anotherTab(), await anotherTab()];
    const reasons = (await Promise.all(tabs.map((tab) => ask(tab, 'requests', { caps })))).flatMap(
      ({ reasons }) => reasons,
    );
    assert.equal(server.of('requests').bodies.length, 10);
    assert.deepEqual([count(reasons, 'unsure'), count(reasons, 'requests-per-minute')], [10, 3 * ASKS - 10]);
    const reloaded = await anotherTab();
    assert.deepEqual((await ask(reloaded, 'requests', { caps }, 1)).reasons, ['requests-per-minute']);
    // Another remote model has caps of its own.
    assert.deepEqual((await ask(reloaded, 'others', { caps }, 1)).reasons, ['unsure']);
    await Promise.all([...tabs.slice(1), reloaded].map((tab) => tab.close()));
  });

  test('no two tabs spend the last cent', async () => {
    // The most that a request may cost: a token for each byte of its body, and max_tokens of the answer.
    const { body } = await ask(page, 'measure', { max_tokens: 100 }, 1);
    const most = (new TextEncoder().encode(body).length + 1 + 100) * 1e-6;
    const price = { prompt_usd_per_million: 1, completion_usd_per_million: 1, as_of: '2026-11-24' };
    const remote = { max_tokens: 100, price, caps: { usd_per_day: 2.5 * most } };
    const tabs = [page, await anotherTab()];
    const answers = await Promise.all(tabs.map((tab) => ask(tab, 'dollars', remote)));
    const spent = answers.reduce((sum, { usd }) => sum + usd, 0);
    assert.ok(spent > 0 && spent <= 2.5 * most, `${spent} of ${2.5 * most}`);
    assert.ok(
      count(
        answers.flatMap(({ reasons }) => reasons),
        'usd-per-day',
      ) > 0,
    );
    assert.deepEqual([...new Set(answers.flatMap(({ dates }) => dates))], ['2026-11-24']);
    await tabs[1].close();
  });

  for (const [what, spoil] of [
    ['never answers', () => (IDBFactory.prototype.open = () => new EventTarget())],
    [
      'has a property that throws',
      () =>
        Object.defineProperty(globalThis, 'indexedDB', {
          get() {
            throw new DOMException('access is denied', 'SecurityError');
          },
        }),
    ],
    ['answers no request', () => (IDBObjectStore.prototype.get = () => new EventTarget())],
  ]) {
    test(`with storage that ${what} nothing is spent, and no other tab waits for it`, async () => {
      const tab = await anotherTab();
      await tab.evaluate(spoil);
      const spending = tab.evaluate(
        async ([local, url, what]) => {
          const triage = await cascade({
            local,
            remote: { baseURL: url, model: `storage that ${what}`, retries: 0, caps: { requests_per_minute: 10 } },
            policy: { threshold: 1, privacy: 'allow', deadline_ms: 2000 },
          });
          const started = performance.now();
          const { reason } = await triage('What is this?');
          return { reason, ms: performance.now() - started };
        },
        [LOCAL, server.url, what],
      );
      const other = await ask(
        page,
        `a question next to storage that ${what}`,
        { caps: { requests_per_minute: 10 } },
        2,
      );
      assert.deepEqual(other.reasons, ['unsure', 'unsure']);
      const { reason, ms } = await spending;
      assert.equal(reason, 'spending-unknown');
      assert.ok(ms < 8000, `it took ${ms} ms`);
      assert.equal(server.of(`storage that ${what}`).bodies.length, 0);
      await tab.close();
    });
  }

  test('without storage nothing is sent, unless there are no caps', async () => {
    const tab = await anotherTab();
    await tab.evaluate(
      () =>
        (indexedDB.open = () => {
          throw new Error('no room');
        }),
    );
    assert.deepEqual((await ask(tab, 'unknown', { caps: { requests_per_minute: 10 } }, 2)).reasons, [
      'spending-unknown',
      'spending-unknown',
    ]);
    assert.equal(server.of('unknown').bodies.length, 0);
    assert.deepEqual((await ask(tab, 'unknown', {}, 1)).reasons, ['unsure']);
    await tab.close();
  });
});

/** Runs in the page. */
function inPage({ local, url }) {
  /** Asks so many questions at once; gives the reasons of the answers, and their cost. */
  globalThis.spend = async (model, remote, asks) => {
    const triage = await cascade({
      local,
      remote: { baseURL: url, model, retries: 0, ...remote },
      policy: { threshold: 1, privacy: 'allow' },
    });
    let body;
    const answers = await triage(
      Array.from({ length: asks }, () => 'What is this?'),
      { request_callback: (request) => (body = request.body) },
    );
    await triage.dispose();
    return {
      body,
      reasons: answers.map(({ reason }) => reason),
      usd: answers.reduce((sum, { cost_usd = 0 }) => sum + cost_usd, 0),
      dates: answers.flatMap(({ prices_as_of }) => prices_as_of ?? []),
    };
  };
}
