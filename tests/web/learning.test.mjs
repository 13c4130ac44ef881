// Learning in a browser: from labels alone, over reloads and tabs, as files, and where storage or labels are not as they should be.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { typed } from './assertions.mjs';
import { LIMIT, openBrowser } from './package-page.mjs';
import { startRemote } from './remote.mjs';

/** A few kilobytes: what a text is about is seen in its words, also by an encoder that was not trained. */
const LOCAL = { task: 'feature-extraction', model: '/golden/tiny-bert-seq' };
const LABELS = ['weather', 'keys'];
const WEATHER = ['rain', 'snow', 'wind', 'sun'];
const KEYS = ['key', 'door', 'lock', 'house'];
/** Questions after which something must be promised; with a promise of 10 % it takes about a hundred. */
const MOST = 1000;

/** All labels of a text, in an order that is not the one in which they were given. */
const labels = ({ messages }) =>
  [KEYS, WEATHER].flatMap((words, i) =>
    words.some((word) => messages[1].content.includes(word)) ? LABELS[1 - i] : [],
  );

/** What the remote model says of a text. */
const label = ({ messages }) => (WEATHER.some((word) => messages[1].content.includes(word)) ? 'weather' : 'keys');

for (const worker of [true, false]) {
  describe(worker ? 'learning in a worker' : 'learning in place', LIMIT, () => {
    let remote;
    let opened;
    let page;
    before(async () => {
      remote = await startRemote({ label });
      opened = await openBrowser({ webgpu: 'none' });
      page = await opened.page({ worker });
      await prepare(page);
    });
    after(async () => {
      await opened?.close();
      await remote?.stop();
    });
    afterEach(() => remote.set());

    const prepare = (tab) =>
      tab.evaluate(inPage, { local: LOCAL, labels: LABELS, words: [WEATHER, KEYS], url: remote.url });
    const anotherTab = async () => {
      const tab = await opened.tab(page);
      await prepare(tab);
      return tab;
    };
    /** A name of its own for each test. */
    const learnt = (name, stays) =>
      page.evaluate(([name, most, stays]) => learnUntilLocal(name, most, stays), [name, MOST, stays]);
    /** The score of each label for each text, by the head of these files in a page of its own. */
    const scoresAfresh = async (files, texts) => {
      const fresh = await opened.page({ worker });
      await fresh.context().route('**/golden/learnt/*', (route) => {
        const body = files[new URL(route.request().url()).pathname.split('/').at(-1)];
        const found = { body: typeof body === 'string' ? body : Buffer.from(body ?? []) };
        return route.fulfill(body === undefined ? { status: 404, body: 'not there' } : found);
      });
      const scores = await fresh.evaluate(async (texts) => {
        const classify = await pipeline('text-classification', '/golden/learnt');
        const scores = [];
        for (const text of texts) {
          const all = await classify(text, { top_k: null });
          scores.push(Object.fromEntries(all.map(({ label, score }) => [label, score])));
        }
        await classify.dispose();
        return scores;
      }, texts);
      await fresh.context().close();
      return scores;
    };

    test('it begins with labels alone, delegates all, and answers by itself once that was tested', async () => {
      const { first, last, asked, saved, report, bill, billed } = await learnt('begins', 20);
      assert.deepEqual(first.learning, {
        labels_by: 'remote',
        version: 0,
        promised: false,
        checked: false,
        saved: false,
      });
      assert.deepEqual([first.route, first.calibrated, first.threshold > 1], ['remote', false, true]);
      assert.deepEqual(
        [last.route, last.calibrated, last.learning.promised],
        ['local', true, true],
        `${asked} questions`,
      );
      assert.ok(last.learning.version > 0 && last.confidence >= last.threshold);
      assert.ok(report.promised && report.leads && report.persisted, JSON.stringify(report));
      assert.equal(
        report.examples.reduce((sum, count) => sum + count),
        report.counters.labels,
      );
      assert.equal(report.alpha, 0.1);
      assert.ok(bill.training.tally.operations > 0 && bill.training.tally.local_ms > 0, JSON.stringify(bill));
      assert.ok(saved > 0, `${asked} questions`);
      assert.equal(bill.saved_requests - billed, saved);
    });

    test('what was learnt outlives the page', async () => {
      const { report } = await learnt('outlives');
      await opened.reload(page);
      await prepare(page);
      const { before, envelope } = await page.evaluate(async () => {
        const classify = await learning('outlives');
        const before = await classify.learning.report();
        const envelope = await classify(textOf(0));
        await classify.dispose();
        return { before, envelope };
      });
      assert.deepEqual(
        [before.version, before.promised, before.counters.labels, before.examples],
        [report.version, true, report.counters.labels, report.examples],
      );
      assert.equal(envelope.learning.version, report.version);
    });

    test('tabs that learn at once lose no label, and one goes on where another ends', async () => {
      const tabs = [page, await anotherTab(), await anotherTab()];
      // So few that nothing stays at home yet.
      const ask = (tab, from) => tab.evaluate(([from]) => askSome('tabs', from, 15), [from]);
      await Promise.all(tabs.map((tab, i) => ask(tab, 15 * i)));
      const reports = await Promise.all(
        tabs.map((tab) => tab.evaluate(() => until('tabs', ({ leads, counters }) => !leads || counters.labels === 45))),
      );
      assert.deepEqual(reports.map(({ leads }) => leads).sort(), [false, false, true]);
      const [leading] = reports.filter(({ leads }) => leads);
      assert.deepEqual([leading.counters.labels, leading.examples], [45, [23, 22]]);
      // The one that leads ends; another one leads, and knows all.
      const ended = reports.indexOf(leading);
      await tabs[ended].evaluate(() => close('tabs'));
      const next = await Promise.any(
        tabs
          .filter((_, i) => i !== ended)
          .map((tab) => tab.evaluate(() => until('tabs', ({ leads, counters }) => leads && counters.labels === 45))),
      );
      assert.deepEqual(next.examples, leading.examples);
      await Promise.all(tabs.map((tab) => tab.evaluate(() => close('tabs'))));
      await Promise.all(tabs.slice(1).map((tab) => tab.close()));
    });

    test('it is exported, cleared in all tabs and imported, and what is imported twice is there once', async () => {
      const tab = await anotherTab();
      await page.evaluate(() => askSome('files', 0, 30));
      await tab.evaluate(() => askSome('files', 30, 4));
      const found = await tab.evaluate(async () => {
        const { learning } = await opened.get('files');
        await until('files', ({ counters }) => counters.labels >= 30);
        const file = await learning.export();
        const exported = await learning.report();
        const refused = await outcome(learning.import(new Uint8Array([1, 2, 3])));
        const kept = await learning.report();
        await learning.clear();
        const cleared = await learning.report();
        await learning.import(file);
        const imported = await learning.report();
        await learning.import(await file.arrayBuffer());
        const twice = await learning.report();
        return { bytes: file.size, exported, refused, kept, cleared, imported, twice, text: await file.text() };
      });
      const counts = ({ counters, examples }) => [counters.labels, ...examples];
      assert.deepEqual([found.exported, found.kept, found.cleared, found.imported, found.twice].map(counts), [
        [34, 17, 17],
        [34, 17, 17],
        [0, 0, 0],
        [34, 17, 17],
        [34, 17, 17],
      ]);
      typed(found.refused.error, 'invalid-artefact');
      assert.ok(found.bytes > 34 * 16 * 4 && !found.text.includes('rain'), 'embeddings and no texts');
      const other = await page.evaluate(() =>
        until('files', ({ leads, counters }) => !leads && counters.labels === 34),
      );
      assert.deepEqual(counts(other), [34, 17, 17]);
      for (const one of [page, tab]) await one.evaluate(() => close('files'));
      await tab.close();
    });

    test('the head that is exported gives the same scores to the last bit in a fresh page', async () => {
      const { files, answers } = await page.evaluate(async (most) => {
        await learnUntilLocal('head', most);
        const classify = await learning('head');
        const files = await classify.learning.exportHead();
        const texts = Array.from({ length: 40 }, (_, i) => textOf(i));
        const answers = [];
        for (const text of texts) answers.push({ text, ...(await classify(text, { must_stay_local: true })).output });
        await classify.dispose();
        const weights = Array.from(files['head.safetensors']);
        return { files: { ...files, 'head.safetensors': weights }, answers };
      }, MOST);
      const scores = await scoresAfresh(
        files,
        answers.map(({ text }) => text),
      );
      assert.equal(JSON.parse(files['config.json']).base_model, 'tiny-bert-seq');
      assert.match(JSON.parse(files['pilot.json']).files['head.safetensors'].sha256, /^[0-9a-f]{64}$/);
      assert.deepEqual(
        scores.map((found, at) => found[answers[at].label]),
        answers.map(({ score }) => score),
      );
    });

    test('several labels or none are learnt, and the head that is exported gives each the same score', async () => {
      remote.set({ label: labels });
      remote.forget();
      const { asked, first, answers, files, report } = await page.evaluate(async (most) => {
        const classify = await learning('several', { multi_label: true });
        // One thing, the other, both or none of them.
        const text = (at) => [textOf(at), textOf(at + 1), `${textOf(at)} ${textOf(at + 3)}`, 'a and the of'][at % 4];
        let [asked, last] = [0, undefined];
        const first = await classify(text(2));
        for (; asked < most && last?.route !== 'local'; asked += 1) last = await classify(text(asked));
        const answers = [];
        for (let at = 0; at < 40; at += 1) {
          const { output, confidence } = await classify(text(at), { must_stay_local: true });
          answers.push({ text: text(at), labels: output.labels, confidence });
        }
        const files = await classify.learning.exportHead();
        const report = await classify.learning.report();
        await classify.dispose();
        return {
          asked,
          first,
          answers,
          report,
          files: { ...files, 'head.safetensors': [...files['head.safetensors']] },
        };
      }, MOST);
      assert.ok(asked < MOST && report.promised && report.multi_label, JSON.stringify(report));
      assert.ok(
        report.unlabelled > 0 && report.examples.every((count) => count > report.unlabelled),
        `${report.examples}`,
      );
      assert.deepEqual(first.output, { labels: [{ label: 'weather' }, { label: 'keys' }] });
      const { schema } = remote.requests[0].body.response_format.json_schema;
      assert.deepEqual(schema.properties.labels, { type: 'array', items: { type: 'string', enum: LABELS } });
      const right = answers.filter(
        ({ text, labels: found }) =>
          JSON.stringify(found.map(({ label }) => label).reverse()) ===
          JSON.stringify(labels({ messages: [{}, { content: text }] })),
      );
      assert.ok(right.length >= 34, `${right.length} of ${answers.length}`);
      assert.ok(
        answers.some((answer) => answer.labels.length === 2) && answers.some(({ labels }) => labels.length === 0),
      );

      const scores = await scoresAfresh(
        files,
        answers.map(({ text }) => text),
      );
      assert.equal(JSON.parse(files['config.json']).problem_type, 'multi_label_classification');
      assert.deepEqual(
        scores.map((found, at) => answers[at].labels.map(({ label }) => found[label])),
        answers.map(({ labels }) => labels.map(({ score }) => score)),
      );
    });

    test('a label outside the set, a failure, and a text that must stay are not learnt from', async () => {
      const ask = (options) => page.evaluate(([options]) => askSome('nothing', 0, 2, options), [options]);
      remote.set({ fault: 'outside-label' });
      const outside = await ask({});
      remote.set({ fault: '500' });
      const failed = await ask({});
      remote.set();
      remote.forget();
      const stays = await ask({ must_stay_local: true });
      assert.equal(remote.requests.length, 0);
      assert.deepEqual(
        [outside, failed, stays].map((envelopes) => envelopes.map(({ reason, degraded }) => [reason, degraded])),
        ['remote-invalid', 'remote-refused', 'must-stay-local'].map((reason) => Array(2).fill([reason, true])),
      );
      const { counters, examples } = await page.evaluate(() => until('nothing', () => true));
      assert.deepEqual([counters.texts, counters.labels, examples], [4, 0, [0, 0]]);
      await page.evaluate(() => close('nothing'));
    });

    test('a database of another version is left alone, and learning lasts as long as the page', async () => {
      const other = await opened.page({ worker });
      await prepare(other);
      const found = await other.evaluate(async () => {
        const version = () =>
          new Promise((resolve, reject) => {
            const request = indexedDB.open('pilot-light-learning', 7);
            request.onerror = () => reject(request.error);
            request.onsuccess = () => {
              const { version, objectStoreNames } = request.result;
              request.result.close();
              resolve([version, objectStoreNames.length]);
            };
          });
        const before = await version();
        await askSome('version', 0, 5);
        const report = await until('version', ({ counters }) => counters.labels === 5);
        await close('version');
        return { before, report, after: await version() };
      });
      await other.context().close();
      assert.deepEqual(
        [found.before, found.after],
        [
          [7, 0],
          [7, 0],
        ],
      );
      const { persisted, fault, counters } = found.report;
      assert.deepEqual([persisted, counters.labels], [false, 5]);
      assert.match(fault, /version/);
    });

    test('what was learnt for other labels stays until it is cleared', async () => {
      await page.evaluate(() => askSome('labels', 0, 6));
      await page.evaluate(() => close('labels'));
      const found = await page.evaluate(async () => {
        const other = await learning('labels', { labels: ['weather', 'keys', 'another'] });
        const refused = await other.learning.report();
        await other.dispose();
        const same = await learning('labels');
        const kept = await same.learning.report();
        await same.dispose();
        const again = await learning('labels', { labels: ['weather', 'keys', 'another'] });
        await again.learning.clear();
        const cleared = await again.learning.report();
        await again.dispose();
        return { refused, kept, cleared };
      });
      const { refused, kept, cleared } = found;
      assert.deepEqual([refused.persisted, refused.counters.labels, refused.labels.length], [false, 0, 3]);
      assert.match(refused.fault, /labels/);
      assert.deepEqual([kept.persisted, kept.counters.labels, kept.fault], [true, 6, undefined]);
      assert.deepEqual([cleared.persisted, cleared.counters.labels, cleared.fault], [true, 0, undefined]);
    });

    test('texts are kept where that is wanted, and another encoder begins with them', async () => {
      const found = await page.evaluate(async () => {
        const keeps = { keep_texts: true };
        const classify = await learning('texts', keeps);
        for (let at = 0; at < 6; at += 1) await classify(textOf(at), { source: 'ann' });
        await classify(textOf(9), { must_stay_local: true });
        const file = await (await classify.learning.export()).text();
        const kept = await classify.learning.report();
        await classify.dispose();
        const reportOf = async (learn, model) => {
          const one = await learning('texts', learn, model);
          const report = await one.learning.report();
          await one.dispose();
          return report;
        };
        const stored = () =>
          new Promise((resolve, reject) => {
            const request = indexedDB.open('pilot-light-learning');
            request.onerror = () => reject(request.error);
            request.onsuccess = () => {
              const states = request.result.transaction('states').objectStore('states');
              states.get('texts').onsuccess = ({ target }) =>
                resolve(new TextDecoder().decode(target.result.bytes).includes(textOf(0)));
              request.result.close();
            };
          });
        const [model, before] = ['/golden/tiny-distilbert-seq', await stored()];
        const other = await reportOf(keeps, model);
        const embedded = await stored();
        // Nothing is asked of it.
        const without = await reportOf({}, model);
        const has = [0, 9].map((at) => file.includes(textOf(at)));
        return { kept, other, without, has, stored: [before, embedded, await stored()] };
      });
      assert.deepEqual([found.kept.texts, found.has], [6, [true, false]]);
      assert.deepEqual([found.other.texts, found.other.examples, found.other.fault], [6, [3, 3], undefined]);
      assert.deepEqual([found.without.texts, found.without.counters.labels], [0, 6]);
      assert.deepEqual(found.stored, [true, true, false]);
    });

    test('a tab with another encoder learns by itself, and takes over what was learnt where it leads later', async () => {
      const distilbert = '/golden/tiny-distilbert-seq';
      const open = ([model]) => {
        opened.set('encoders', learning('encoders', { keep_texts: true }, model));
        return opened.get('encoders').then(() => undefined);
      };
      await page.evaluate(open, []);
      await page.evaluate(() => askSome('encoders', 0, 6));
      // It is stored where another one begins.
      await page.evaluate(() => close('encoders'));
      await page.evaluate(open, []);
      const tab = await anotherTab();
      await tab.evaluate(open, [distilbert]);
      await tab.evaluate(() => askSome('encoders', 20, 4));
      const alone = await tab.evaluate(() => until('encoders', ({ counters }) => counters.labels === 4));
      assert.deepEqual([alone.leads, alone.persisted, alone.examples], [false, false, [2, 2]]);
      assert.match(alone.fault, /encoder/);
      // It goes on when the one that leads has stored something.
      await tab.evaluate(() => {
        const channel = new BroadcastChannel('pilot-light/learning/encoders');
        globalThis.heard = new Promise((resolve) => {
          channel.onmessage = ({ data }) => data === 'state' && resolve(channel.close());
        });
      });
      await page.evaluate(() => askSome('encoders', 6, 2));
      const still = await tab.evaluate(async () => {
        await heard;
        await askSome('encoders', 24, 1);
        return until('encoders', ({ counters }) => counters.labels === 5);
      });
      assert.match(still.fault, /encoder/);
      const leading = await page.evaluate(() => until('encoders', ({ counters }) => counters.labels === 8));
      assert.deepEqual([leading.leads, leading.persisted, leading.examples], [true, true, [4, 4]]);
      await page.evaluate(() => close('encoders'));
      const next = await tab.evaluate(() =>
        until('encoders', ({ leads, counters }) => leads && counters.labels === 13),
      );
      assert.deepEqual([next.examples, next.texts, next.version], [[7, 6], 13, 0]);
      assert.deepEqual([next.persisted, next.fault], [true, undefined]);
      await tab.evaluate(() => close('encoders'));
      await tab.close();
      await page.evaluate(open, [distilbert]);
      const after = await page.evaluate(() => until('encoders', () => true));
      assert.deepEqual([after.examples, after.fault], [[7, 6], undefined]);
      await page.evaluate(() => close('encoders'));
    });

    test('there is no head to return to before one has taken over', async () => {
      const { error } = await page.evaluate(async () => {
        const classify = await learning('rollback');
        const found = await outcome(classify.learning.rollback());
        await classify.dispose();
        return found;
      });
      typed(error, 'invalid-input');
    });

    for (const [what, options, kind] of [
      ['one label', { learn: { labels: ['weather'] } }, 'invalid-input'],
      ['no labels', { learn: true }, 'invalid-input'],
      ['a switch that is not one', { learn: { labels: LABELS, multi_label: 'yes' } }, 'invalid-input'],
      ['one label of several', { learn: { labels: ['weather'], multi_label: true } }, 'invalid-input'],
      ['a label twice', { learn: { labels: ['weather', 'weather'] } }, 'invalid-input'],
      ['an unknown option', { learn: { labels: LABELS, keep_audio: true } }, 'invalid-input'],
      ['an alpha above a half', { learn: { labels: LABELS, alpha: 0.6 } }, 'invalid-input'],
      ['a threshold', { learn: { labels: LABELS }, policy: { threshold: 0.9 } }, 'invalid-input'],
      [
        'a model with a head of its own kind',
        { local: { ...LOCAL, task: 'text-classification' }, learn: true },
        'unsupported',
      ],
      [
        'ten thousand labels',
        { learn: { labels: Array.from({ length: 10_000 }, (_, i) => `label ${i}`) } },
        'unsupported',
      ],
    ]) {
      test(`${what} is refused`, async () => {
        const { error } = await page.evaluate(
          ([local, options]) => outcome(cascade({ local, ...options })),
          [LOCAL, options],
        );
        typed(error, kind);
      });
    }
  });
}

describe('learning where the storage is full', LIMIT, () => {
  test('goes on, says so, and leaves what was stored before', async () => {
    const remote = await startRemote({ label });
    const opened = await openBrowser({ webgpu: 'none' });
    try {
      const page = await opened.page({ worker: false });
      await page.evaluate(inPage, { local: LOCAL, labels: LABELS, words: [WEATHER, KEYS], url: remote.url });
      const found = await page.evaluate(async () => {
        await askSome('quota', 0, 4);
        await close('quota');
        const { add, put } = IDBObjectStore.prototype;
        const full = () => {
          throw new DOMException('the quota is exceeded', 'QuotaExceededError');
        };
        await askSome('quota', 4, 0);
        Object.assign(IDBObjectStore.prototype, { add: full, put: full });
        await askSome('quota', 4, 4);
        const during = await until('quota', ({ counters, fault }) => counters.labels === 8 && fault !== undefined);
        await close('quota');
        Object.assign(IDBObjectStore.prototype, { add, put });
        const classify = await learning('quota');
        const after = await classify.learning.report();
        await classify.dispose();
        return { during, after };
      });
      assert.deepEqual([found.during.persisted, found.during.counters.labels], [false, 8]);
      assert.match(found.during.fault, /quota/);
      assert.deepEqual([found.after.persisted, found.after.counters.labels], [true, 4]);
    } finally {
      await opened.close();
      await remote.stop();
    }
  });

  test('what a tab could not store is forgotten where another one clears all', async () => {
    const remote = await startRemote({ label });
    const opened = await openBrowser({ webgpu: 'none' });
    try {
      const page = await opened.page({ worker: false });
      const tab = await opened.tab(page);
      for (const one of [page, tab])
        await one.evaluate(inPage, { local: LOCAL, labels: LABELS, words: [WEATHER, KEYS], url: remote.url });
      await page.evaluate(() => askSome('forgets', 0, 4));
      await tab.evaluate(async () => {
        await askSome('forgets', 4, 0);
        await until('forgets', ({ leads, counters }) => !leads && counters.labels === 4);
        const { add } = IDBObjectStore.prototype;
        IDBObjectStore.prototype.add = () => {
          throw new DOMException('the quota is exceeded', 'QuotaExceededError');
        };
        await askSome('forgets', 4, 4);
        await until('forgets', ({ fault }) => fault !== undefined);
        IDBObjectStore.prototype.add = add;
      });
      await page.evaluate(async () => (await opened.get('forgets')).learning.clear());
      await tab.evaluate(async () => {
        await until('forgets', ({ counters }) => counters.labels === 0);
        await askSome('forgets', 8, 1);
      });
      const { counters, examples } = await page.evaluate(() => until('forgets', ({ counters }) => counters.labels > 0));
      assert.deepEqual([counters.labels, examples], [1, [1, 0]]);
      for (const one of [page, tab]) await one.evaluate(() => close('forgets'));
    } finally {
      await opened.close();
      await remote.stop();
    }
  });
});

/** Runs in the page. */
function inPage({ local, labels, words, url }) {
  const remote = { baseURL: url, model: 'any', retries: 0, breaker: { failures: 1000 } };
  Object.assign(globalThis, {
    /** Those that are open, by their names. */
    opened: new Map(),
    /** A cascade that learns under this name. */
    learning: (name, learn, model = local.model) =>
      cascade({
        local: { ...local, model },
        remote,
        policy: { privacy: 'allow' },
        learn: { labels, alpha: 0.1, name, ...learn },
      }),
    /** A text about one thing or the other. */
    textOf: (at) =>
      [0, 1, 2].map((word) => words[at % 2][(Math.floor(at / 2) + Math.floor(at / 7) * word) % 4]).join(' '),
    /** Asks so many questions of one that stays open; its envelopes. */
    async askSome(name, from, count, options) {
      if (!opened.has(name)) opened.set(name, learning(name));
      const classify = await opened.get(name);
      const texts = Array.from({ length: count }, (_, i) => textOf(from + i));
      return classify(texts, options);
    },
    /** The first report that is as it should be. */
    async until(name, isRight) {
      const { learning } = await opened.get(name);
      for (;;) {
        const report = await learning.report();
        if (isRight(report)) return report;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async close(name) {
      const classify = await opened.get(name);
      opened.delete(name);
      await classify?.dispose();
    },
    /**
     * Asks until so many answers came from here; the first and the last envelope, how many saved a request, the report after them,
     * what the ledger says, and how many saved requests that had before.
     */
    async learnUntilLocal(name, most, stays = 1) {
      const classify = await learning(name);
      const { learning: before } = await classify.ledger.summary();
      let [first, last, asked, stayed, saved] = [undefined, undefined, 0, 0, 0];
      for (; asked < most && stayed < stays; asked += 1) {
        last = await classify(textOf(asked));
        first ??= last;
        stayed += Number(last.route === 'local');
        saved += Number(last.learning.saved);
      }
      let report = await classify.learning.report();
      // Checks are answered after the answers that they check. In place a report by itself lets no reply come in.
      while (report.counters.labels < report.counters.texts - report.counters.local) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        report = await classify.learning.report();
      }
      const { learning: bill } = await classify.ledger.summary();
      await classify.dispose();
      return { first, last, asked, saved, report, bill, billed: before?.saved_requests ?? 0 };
    },
  });
}
