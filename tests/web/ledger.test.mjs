// The usage ledger in a browser: persistent across a reload, shared by tabs, and robust against invalid records.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { LIMIT, openBrowser } from './package-page.mjs';
import { startRemote } from './remote.mjs';

const LOCAL = { task: 'text-classification', model: '/golden/tiny-bert-seq' };
const NAME = `${LOCAL.task} ${LOCAL.model}`;

for (const worker of [true, false]) {
  describe(worker ? 'a ledger with a worker' : 'a ledger in place', LIMIT, () => {
    let remote;
    let opened;
    let page;
    before(async () => {
      remote = await startRemote();
      opened = await openBrowser({ webgpu: 'none' });
      page = await opened.page({ worker });
      await prepare(page);
    });
    after(async () => {
      await opened?.close();
      await remote?.stop();
    });
    afterEach(() => page.evaluate(() => summaryOf((ledger) => ledger.clear())));

    /** Installs the functions of these tests in a page. */
    async function prepare(tab) {
      await tab.evaluate(
        async ([local, url]) => {
          const open = (options) => cascade({ local, ...options });
          Object.assign(globalThis, {
            /** The answers to `texts`, and the summary of the ledger after them. */
            async askAll(texts, policy, more) {
              const price = { prompt_usd_per_million: 1000, completion_usd_per_million: 1000, as_of: '2026-11-25' };
              const triage = await open({
                remote: { baseURL: url, model: 'any', price },
                policy: { privacy: 'allow', ...policy },
                ...more,
              });
              const answers = await triage(texts);
              const summary = await triage.ledger.summary();
              await triage.dispose();
              return { answers, summary };
            },
            async summaryOf(ask = (ledger) => ledger.summary()) {
              const triage = await open({});
              const found = await ask(triage.ledger);
              await triage.dispose();
              return found;
            },
            /** Runs `work` on the records of the database, as any script of the origin could. */
            async records(work) {
              const settled = (request) =>
                new Promise((resolve, reject) =>
                  Object.assign(request, {
                    onsuccess: () => resolve(request.result),
                    onerror: () => reject(request.error),
                  }),
                );
              const database = await settled(indexedDB.open('pilot-light-ledger'));
              const result = await settled(work(database.transaction('records', 'readwrite').objectStore('records')));
              database.close();
              return result;
            },
          });
        },
        [LOCAL, remote.url],
      );
    }

    const texts = (count) => Array.from({ length: count }, (_, i) => `What is number ${i}?`);
    const ask = (tab, ...args) => tab.evaluate((args) => askAll(...args), args);

    test('every answer is recorded with its cost, and the records survive a reload', async () => {
      const here = await ask(page, texts(3), { threshold: 0 });
      assert.deepEqual(
        [here.summary.total.local.tally.answers, here.summary.total.remote.tally.answers, here.summary.counterfactual],
        [3, 0, undefined],
      );
      const { answers, summary } = await ask(page, texts(2), { threshold: 1 });
      assert.deepEqual(
        answers.map(({ route }) => route),
        ['remote', 'remote'],
      );

      const { local, remote: there } = summary.total;
      const sum = (values) => values.reduce((sum, value) => sum + value, 0);
      assert.deepEqual([local.tally.answers, there.tally.answers, there.tally.attempts], [3, 2, 2]);
      assert.equal(there.tally.total_tokens, sum(answers.map(({ usage }) => usage.total_tokens)));
      assert.ok(Math.abs(there.tally.usd - sum(answers.map(({ cost_usd }) => cost_usd))) < 1e-12);
      assert.equal(local.tally.operations, sum(here.answers.map(({ work }) => work.operations)));
      for (const { low, high } of [
        local.energy_j.local,
        there.energy_j.local,
        there.energy_j.remote,
        here.answers[0].energy_j.local,
        answers[0].energy_j.remote,
      ])
        assert.ok(low > 0 && low < high);
      assert.deepEqual([summary.counterfactual.answers, summary.counterfactual.from], [5, 2]);
      assert.ok(Math.abs(summary.counterfactual.usd - there.tally.usd * 2.5) < 1e-12);
      assert.match(summary.basis.local.boundary, /processor/);
      assert.match(summary.basis.remote.source, /ML\.ENERGY/);
      assert.deepEqual([summary.persisted, summary.skipped_records], [true, 0]);

      await opened.reload(page);
      await prepare(page);
      assert.deepEqual((await page.evaluate(() => summaryOf())).total, summary.total);
      const [csv, json] = await page.evaluate(() =>
        summaryOf(async (ledger) => [await ledger.toCSV(), await ledger.toJSON()]),
      );
      const lines = csv.trim().split('\r\n');
      assert.ok(lines.length >= 3 && lines.slice(1).every((line) => /,(local|remote),/.test(line)), csv);
      assert.deepEqual(JSON.parse(json).total, summary.total);
      assert.ok(!csv.includes('number') && !json.includes('number'), 'no text is stored');
    });

    test('concurrent tabs lose no records, and many records are merged into one', async () => {
      const tabs = [page, await opened.tab(page), await opened.tab(page)];
      for (const tab of tabs.slice(1)) await prepare(tab);
      const many = (tab) =>
        tab.evaluate((texts) => Promise.all(texts.map((text) => askAll([text], { threshold: 0 }))), texts(30));
      await Promise.all(tabs.map(many));
      const keys = () => page.evaluate(() => records((store) => store.getAllKeys()));
      assert.equal((await page.evaluate(() => summaryOf())).total.local.tally.answers, 90);
      assert.ok((await keys()).length < 90);
      assert.equal(
        (await page.evaluate(() => summaryOf())).total.local.tally.answers,
        90,
        'the merged record has the same sums',
      );
      await Promise.all(tabs.slice(1).map((tab) => tab.close()));
    });

    test('invalid records are skipped and counted', async () => {
      await ask(page, texts(2), { threshold: 0 });
      const invalid = ['{', '{"version":99,"doublings":0,"spans":{}}', 17];
      for (const record of invalid)
        await page.evaluate(([name, record]) => records((store) => store.add({ name, record })), [NAME, record]);
      await page.evaluate((name) => records((store) => store.add({ name })), NAME);
      const { total, skipped_records } = await page.evaluate(() => summaryOf());
      assert.deepEqual([total.local.tally.answers, skipped_records], [2, invalid.length + 1]);
      assert.equal((await ask(page, texts(1), { threshold: 0 })).summary.total.local.tally.answers, 3);
    });

    test('without storage the page works, and the summary says so', async () => {
      const tab = await opened.tab(page);
      await prepare(tab);
      await tab.evaluate(
        () =>
          (indexedDB.open = () => {
            throw new Error('no room');
          }),
      );
      const { summary } = await ask(tab, texts(2), { threshold: 0 });
      assert.deepEqual([summary.total.local.tally.answers, summary.persisted, summary.fault], [2, false, 'no room']);
      await tab.close();
    });

    test('confident answers are checked after they were given', async () => {
      remote.forget();
      const found = await page.evaluate(
        async ([local, url]) => {
          const triage = await cascade({
            local,
            remote: { baseURL: url, model: 'any' },
            policy: { privacy: 'allow', threshold: 0, check_rate: 1 },
          });
          const bodies = [];
          const answer = await triage('What is this?', { request_callback: ({ body }) => bodies.push(body) });
          const before = bodies.length;
          let summary;
          do summary = await triage.ledger.summary();
          while (summary.total.checks.tally.answers === 0);
          await triage.dispose();
          return { answer, before, bodies: bodies.length, summary };
        },
        [LOCAL, remote.url],
      );
      const { answer, summary } = found;
      assert.deepEqual(
        [answer.route, answer.reason, answer.attempts, answer.usage],
        ['local', 'confident', 0, undefined],
      );
      assert.deepEqual([found.bodies, remote.requests.length], [1, 1]);
      const { checked, agreed, low, high } = summary.agreement;
      assert.equal(checked, 1);
      assert.ok(agreed === 1 ? low > 0 && high === 1 : low === 0 && high < 1);
      assert.deepEqual(
        [summary.total.local.tally.answers, summary.total.remote.tally.answers, summary.total.checks.tally.attempts],
        [1, 0, 1],
      );
    });

    test('drift from the examples is detected', async () => {
      const quantiles = Array.from({ length: 21 }, (_, step) => step / 20);
      const calibration = {
        promise: { method: 'learn-then-test', alpha: 0.05, delta: 0.1 },
        temperature: 1,
        threshold: 0.91,
        coverage: 0.09,
        n: 100,
        data_sha256: 'a'.repeat(64),
        labels: { given: 100 },
        quantiles,
        date: '2026-11-25',
      };
      const { drift } = (await ask(page, texts(200), {}, { calibration, remote: [] })).summary;
      assert.deepEqual([drift.answers, drift.parts.length], [200, 21]);
      assert.ok(drift.evidence > 100 && drift.doubtful, JSON.stringify(drift));
      assert.ok(Math.abs(drift.expected_deferral_rate - 0.91) < 0.01);
      assert.equal(
        (await page.evaluate(() => summaryOf())).drift,
        undefined,
        'without a calibration there is no drift report',
      );
    });
  });
}
