// Calibration in the page: the threshold from examples, labelled by people or by a remote model, and its use in the next cascade.
// The head's shipped calibration is removed from `pilot.json`, except where it is tested.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { LIMIT, openBrowser } from './package-page.mjs';
import { startRemote } from './remote.mjs';

const SENTENCES = JSON.parse(readFileSync(new URL('../golden/sentences.json', import.meta.url), 'utf8'));
const { calibration: SHIPPED, ...UNCALIBRATED } = JSON.parse(
  readFileSync(new URL('../../models/sentiment/pilot.json', import.meta.url), 'utf8'),
);
const LOCAL = { task: 'text-classification', model: '/models/sentiment' };

for (const worker of [true, false]) {
  describe(worker ? 'calibrating in a worker' : 'calibrating in place', LIMIT, () => {
    let opened;
    let page;
    let remote;
    before(async () => {
      remote = await startRemote();
      opened = await openBrowser({ webgpu: 'none', remote });
      page = await opened.page({ worker });
      await page.context().route('**/models/sentiment/pilot.json', (route) => route.fulfill({ json: UNCALIBRATED }));
      await page.evaluate(
        async ([local, sentences]) => {
          globalThis.LOCAL = local;
          const triage = await cascade({ local });
          const answers = await triage(sentences);
          await triage.dispose();
          const other = { negative: 'positive', positive: 'negative' };
          // The model is right where it is confident, and on two of three examples elsewhere.
          globalThis.EXAMPLES = sentences.map((text, i) => {
            const { output, confidence } = answers[i];
            return { text, label: confidence < 0.75 && i % 3 === 0 ? other[output.label] : output.label };
          });
          globalThis.RAW = answers.map(({ confidence }) => confidence);
        },
        [LOCAL, SENTENCES],
      );
    });
    after(async () => {
      await opened?.close();
      await remote?.stop();
    });

    test('the head ships with a calibration, and reports it', async () => {
      const shipped = await opened.page({ worker });
      const found = await shipped.evaluate(async (local) => {
        const triage = await cascade({ local });
        const [{ threshold, calibrated }] = await triage(['What a joyful day!']);
        const { thresholds, calibrations } = triage;
        await triage.dispose();
        return { threshold, calibrated, thresholds, calibrations };
      }, LOCAL);
      await shipped.context().close();
      const { threshold, promise, labels } = SHIPPED;
      const [calibration] = found.calibrations;
      assert.deepEqual([found.threshold, found.calibrated, found.thresholds], [threshold, true, [threshold]]);
      assert.deepEqual([calibration.threshold, calibration.promise, calibration.labels], [threshold, promise, labels]);
    });

    test('a threshold that holds is used, reported and reusable', async () => {
      const { before, report, calibration, calibrations, after, again, raw, steps } = await page.evaluate(async () => {
        const triage = await cascade({ local: LOCAL });
        const [before] = await triage([EXAMPLES[0].text]);
        const steps = [];
        const none = triage.calibrations;
        const { report, calibration } = await triage.calibrate(EXAMPLES, {
          alpha: 0.2,
          progress_callback: ({ done }) => steps.push(done),
        });
        const [after] = await triage([EXAMPLES[0].text]);
        const threshold = triage.threshold;
        await triage.dispose();
        const next = await cascade({ local: LOCAL, calibration });
        const [again] = await next([EXAMPLES[0].text]);
        next.threshold = 0.5;
        const [set] = await next([EXAMPLES[0].text]);
        await next.dispose();
        return {
          before,
          report,
          calibration,
          calibrations: [none, triage.calibrations],
          after: { ...after, taken: threshold },
          again: { ...again, set: set.calibrated },
          raw: RAW[0],
          steps,
        };
      });
      assert.equal(before.calibrated, false);
      assert.equal(before.threshold, 0.9);
      assert.equal(report.choice.outcome, 'holds', JSON.stringify(report.choice));
      assert.equal(report.choice.n + report.pilot, SENTENCES.length);
      assert.equal(calibration.threshold, report.choice.threshold);
      assert.deepEqual(calibrations, [[null], [calibration]]);
      assert.deepEqual(
        [report.labels, calibration.labels],
        Array(2).fill({ given: SENTENCES.length, asked: 0, unanswered: 0 }),
      );
      assert.match(calibration.data_sha256, /^[0-9a-f]{64}$/);
      assert.match(calibration.weights_sha256, /^[0-9a-f]{64}$/);
      assert.deepEqual(
        [after.calibrated, after.threshold, after.taken],
        [true, calibration.threshold, calibration.threshold],
      );
      // The temperature changes the confidence, not the score.
      const odds = Math.log(raw / (1 - raw)) / calibration.temperature;
      assert.ok(Math.abs(after.confidence - 1 / (1 + Math.exp(-odds))) < 1e-6, `${after.confidence} and ${odds}`);
      assert.equal(after.output.score, before.output.score);
      assert.deepEqual(
        [again.calibrated, again.confidence, again.threshold],
        [true, after.confidence, after.threshold],
      );
      assert.equal(again.set, false, 'another threshold has no guarantee');
      assert.equal(steps.at(-1), SENTENCES.length);
    });

    test('where none holds the report says so, and the threshold stays', async () => {
      const found = await page.evaluate(async () => {
        const triage = await cascade({ local: LOCAL });
        const { report, calibration } = await triage.calibrate(EXAMPLES.slice(0, 20), { alpha: 0.1 });
        const { threshold } = triage;
        await triage.dispose();
        return { choice: report.choice, calibration, threshold };
      });
      assert.equal(found.choice.outcome, 'none-holds');
      assert.ok(found.choice.more > 0);
      assert.deepEqual([found.calibration, found.threshold], [undefined, 0.9]);
    });

    test('labels come from the remote model, within its cap, and are requested once', async () => {
      const labels = await page.evaluate(() => Object.fromEntries(EXAMPLES.map(({ text, label }) => [text, label])));
      remote.set({ label: ({ messages }) => labels[messages[1].content] });
      remote.forget();
      const found = await page.evaluate(async () => {
        const price = { prompt_usd_per_million: 1, completion_usd_per_million: 1, as_of: '2026-11-25' };
        // Enough for some of them: the maximum cost of a question is reserved while it is open.
        const remote = { baseURL: '/v1', model: 'capped', price, caps: { usd_per_day: 0.004 } };
        const texts = EXAMPLES.map(({ text }) => ({ text }));
        const labelled = [];
        const steps = [];
        const calibrate = async (remote) => {
          const triage = await cascade({ local: LOCAL, remote, policy: { privacy: 'allow' } });
          const { value, error } = await outcome(
            triage.calibrate(texts, {
              alpha: 0.2,
              labelled,
              progress_callback: ({ step, done }) => steps.push([step, done]),
            }),
          );
          await triage.dispose();
          return { error, report: value?.report, labelled: labelled.length };
        };
        const capped = await calibrate(remote);
        const open = await calibrate({ baseURL: '/v1', model: 'open' });
        return { capped, open, labelled, steps };
      });
      remote.set();
      const { capped, open, labelled, steps } = found;
      assert.deepEqual([capped.error.kind, capped.error.retryable], ['budget-exhausted', true], capped.error.message);
      assert.match(capped.error.message, new RegExp(`usd-per-day.*The ${capped.labelled} texts`));
      assert.ok(0 < capped.labelled && capped.labelled < SENTENCES.length, `${capped.labelled} were answered`);
      assert.deepEqual(
        [open.error, open.labelled, remote.requests.length],
        [undefined, SENTENCES.length, SENTENCES.length],
      );
      assert.deepEqual(open.report.labels, {
        given: 0,
        asked: SENTENCES.length,
        unanswered: 0,
        models: ['capped', 'open'],
      });
      assert.equal(open.report.choice.outcome, 'holds', JSON.stringify(open.report.choice));
      assert.deepEqual(
        labelled.map(({ text, label }) => [text, label]),
        SENTENCES.map((text) => [text, labels[text]]),
      );
      assert.deepEqual([new Set(steps.map(([step]) => step)).size, steps.at(-1)], [2, ['scores', SENTENCES.length]]);
    });

    for (const [cap, budget, remote_options] of [
      ['requests-per-day', { requests_per_day: 10 }, {}],
      ['joules-per-day', { joules_per_day: 3000 }, { max_tokens: 20 }],
      ['usd-per-day', { usd_per_day: 0.004 }, {}],
      ['requests-per-day', { requests_per_day: 11, joules_per_day: 1e9 }, {}],
    ]) {
      test(`a budget that is spent while calibrating (${Object.keys(budget)}) ends it, and nothing is calibrated`, async () => {
        remote.forget();
        const found = await page.evaluate(
          async ([budget, options, model]) => {
            const price = { prompt_usd_per_million: 1, completion_usd_per_million: 1, as_of: '2026-11-25' };
            const triage = await cascade({
              local: LOCAL,
              remote: { baseURL: '/v1', model, price, ...options },
              policy: { privacy: 'allow', budget },
            });
            const labelled = [];
            const texts = EXAMPLES.map(({ text }) => ({ text }));
            const { error, value } = await outcome(triage.calibrate(texts, { alpha: 0.2, labelled }));
            const { calibrations, threshold } = triage;
            await triage.dispose();
            return { error, value, calibrations, threshold, labelled: labelled.length };
          },
          // The spending of a model is that of all tests of this profile.
          [budget, remote_options, `spent ${worker} ${JSON.stringify(budget)}`],
        );
        assert.deepEqual([found.error?.kind, found.value], ['budget-exhausted', undefined], found.error?.message);
        assert.match(found.error.message, new RegExp(`${cap}.*The ${found.labelled} texts`));
        assert.ok(0 < found.labelled && found.labelled < SENTENCES.length, `${found.labelled} were answered`);
        assert.deepEqual([found.calibrations, found.threshold], [[null], 0.9]);
      });
    }

    test('no text is sent to a remote model against the policy', async () => {
      remote.forget();
      const { error } = await page.evaluate(async () => {
        const triage = await cascade({
          local: LOCAL,
          remote: { baseURL: '/v1', model: 'any' },
          policy: { privacy: 'local-only' },
        });
        const found = await outcome(triage.calibrate(EXAMPLES.map(({ text }) => ({ text }))));
        await triage.dispose();
        return found;
      });
      assert.equal(error.kind, 'remote');
      assert.match(error.message, /local-only/);
      assert.equal(remote.requests.length, 0);
    });

    test('entities are calibrated as a set, with offsets in UTF-16', async () => {
      const found = await page.evaluate(async () => {
        const triage = await cascade({
          local: { task: 'token-classification', model: '/models/rampart' },
          policy: { threshold: 0 },
        });
        const names = ['Jane Doe', 'Łukasz Żak', 'jakob müller', 'Maria Rossi', 'Chen Wei', 'Amina Yusuf'];
        const texts = Array.from(
          { length: 60 },
          (_, i) => `😀 ${names[i % names.length]} wrote from ${i + 1} Main Street about number ${i}.`,
        );
        const answers = await triage(texts);
        const examples = texts.map((text, i) => ({
          text,
          entities: answers[i].output.slice(i % 3 === 0 ? 1 : 0).reverse(),
        }));
        const { report } = await triage.calibrate(examples, { alpha: 0.6 });
        await triage.dispose();
        return { report, entities: answers.map(({ output }) => output.length) };
      });
      assert.ok(found.entities.every((count) => count > 0));
      // The first of every five examples is for the temperature.
      const tested = Array.from({ length: 60 }, (_, i) => i).filter((i) => i % 5 !== 0);
      assert.equal(found.report.accuracy, tested.filter((i) => i % 3 !== 0).length / tested.length);
    });

    test('a calibration for zero-shot labels is valid for those labels only', async () => {
      const calibrated = await page.evaluate(async () => {
        const triage = await cascade({
          local: { task: 'zero-shot-classification', model: '/models/all-MiniLM-L6-v2' },
          policy: { threshold: 0 },
        });
        const candidate_labels = ['the weather', 'work', 'food', 'travel'];
        const texts = EXAMPLES.map(({ text }) => text);
        const answers = await triage(texts, { candidate_labels });
        const middle = answers.map(({ confidence }) => confidence).sort((a, b) => a - b)[answers.length / 2];
        const other = (label) => candidate_labels.find((one) => one !== label);
        const examples = answers.map(({ output: { label }, confidence }, i) => ({
          text: texts[i],
          label: confidence < middle && i % 3 === 0 ? other(label) : label,
        }));
        const { report } = await triage.calibrate(examples, { alpha: 0.2, candidate_labels });
        const of = async (options) => (await triage(texts[0], options)).calibrated;
        const found = [
          await of({ candidate_labels }),
          await of({ candidate_labels: [...candidate_labels].reverse() }),
          await of({ candidate_labels: ['work', 'food'] }),
          await of({ candidate_labels, hypothesis_template: '{}' }),
        ];
        await triage.dispose();
        return { choice: report.choice, found };
      });
      assert.equal(calibrated.choice.outcome, 'holds', JSON.stringify(calibrated.choice));
      assert.deepEqual(calibrated.found, [true, true, false, false]);
    });

    for (const [name, examples, options, kind] of [
      ['a label that the model does not know', [{ text: 'a', label: 'neutral' }], {}, 'invalid-input'],
      ['no examples', [], {}, 'invalid-input'],
      ['too few examples', [{ text: 'a', label: 'positive' }], {}, 'invalid-input'],
      ['a text without a label and no remote', [{ text: 'a' }], {}, 'remote'],
      ['entities of a model that gives labels', Array(9).fill({ text: 'a', entities: [] }), {}, 'invalid-input'],
      ['a label that is not a string', [{ text: 'a', label: 1 }], {}, 'invalid-input'],
      ['earlier labels that are not valid', [{ text: 'a' }], { labelled: [{ label: 'positive' }] }, 'invalid-input'],
      ['an alpha outside (0, 1)', Array(9).fill({ text: 'a', label: 'positive' }), { alpha: 2 }, 'invalid-input'],
    ]) {
      test(`${name} is refused`, async () => {
        const refused = await page.evaluate(
          async ([examples, options]) => {
            const triage = await cascade({ local: LOCAL });
            return triage
              .calibrate(examples, options)
              .then(
                () => undefined,
                ({ name, kind }) => ({ name, kind }),
              )
              .finally(() => triage.dispose());
          },
          [examples, options],
        );
        assert.deepEqual(refused, { name: 'PilotLightError', kind });
      });
    }

    test('an invalid calibration is refused at load', async () => {
      const kind = await page.evaluate(() =>
        cascade({ local: LOCAL, calibration: { guarantee: 'all' } }).then(
          () => undefined,
          (error) => error.kind,
        ),
      );
      assert.equal(kind, 'invalid-input');
    });
  });
}
