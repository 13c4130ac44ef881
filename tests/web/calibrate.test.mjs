// Calibrating in the page: the threshold that comes of labelled examples, and that it goes on with the next cascade.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readFileSync } from 'node:fs';

import { LIMIT, openBrowser } from './package_page.mjs';

const SENTENCES = JSON.parse(readFileSync(new URL('../golden/sentences.json', import.meta.url), 'utf8'));
const LOCAL = { task: 'text-classification', model: '/models/sentiment' };

for (const worker of [true, false]) {
  describe(worker ? 'calibrating in a worker' : 'calibrating in place', LIMIT, () => {
    let opened;
    let page;
    before(async () => {
      opened = await openBrowser({ webgpu: 'none' });
      page = await opened.page({ worker });
      await page.evaluate(
        async ([local, sentences]) => {
          globalThis.LOCAL = local;
          const triage = await cascade({ local });
          const answers = await triage(sentences);
          await triage.dispose();
          const other = { negative: 'positive', positive: 'negative' };
          // The model is right where it is sure, and on two of three where it is not.
          globalThis.EXAMPLES = sentences.map((text, i) => {
            const { output, confidence } = answers[i];
            return { text, label: confidence < 0.75 && i % 3 === 0 ? other[output.label] : output.label };
          });
          globalThis.RAW = answers.map(({ confidence }) => confidence);
        },
        [LOCAL, SENTENCES],
      );
    });
    after(() => opened?.close());

    test('a threshold that holds is taken, told, and kept', async () => {
      const { before, report, calibration, after, again, raw, steps } = await page.evaluate(async () => {
        const triage = await cascade({ local: LOCAL });
        const [before] = await triage([EXAMPLES[0].text]);
        const steps = [];
        const { report, calibration } = await triage.calibrate(EXAMPLES, { alpha: 0.2, progress_callback: ({ done }) => steps.push(done) });
        const [after] = await triage([EXAMPLES[0].text]);
        const threshold = triage.threshold;
        await triage.dispose();
        const next = await cascade({ local: LOCAL, calibration });
        const [again] = await next([EXAMPLES[0].text]);
        next.threshold = 0.5;
        const [set] = await next([EXAMPLES[0].text]);
        await next.dispose();
        return { before, report, calibration, after: { ...after, taken: threshold }, again: { ...again, set: set.calibrated }, raw: RAW[0], steps };
      });
      assert.equal(before.calibrated, false);
      assert.equal(before.threshold, 0.9);
      assert.equal(report.choice.outcome, 'holds', JSON.stringify(report.choice));
      assert.equal(report.choice.n + report.pilot, SENTENCES.length);
      assert.equal(calibration.threshold, report.choice.threshold);
      assert.match(calibration.data_sha256, /^[0-9a-f]{64}$/);
      assert.match(calibration.weights_sha256, /^[0-9a-f]{64}$/);
      assert.deepEqual([after.calibrated, after.threshold, after.taken], [true, calibration.threshold, calibration.threshold]);
      // The confidence is at the temperature, the score as it was.
      const odds = Math.log(raw / (1 - raw)) / calibration.temperature;
      assert.ok(Math.abs(after.confidence - 1 / (1 + Math.exp(-odds))) < 1e-6, `${after.confidence} and ${odds}`);
      assert.equal(after.output.score, before.output.score);
      assert.deepEqual([again.calibrated, again.confidence, again.threshold], [true, after.confidence, after.threshold]);
      assert.equal(again.set, false, 'another threshold promises nothing');
      assert.equal(steps.at(-1), SENTENCES.length);
    });

    test('where none holds it is said, and the threshold stays', async () => {
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

    for (const [name, examples, options, kind] of [
      ['a label that the model does not know', [{ text: 'a', label: 'neutral' }], {}, 'invalid-input'],
      ['no examples', [], {}, 'invalid-input'],
      ['too few examples', [{ text: 'a', label: 'positive' }], {}, 'invalid-input'],
      ['a text without a label', [{ text: 'a' }], {}, 'invalid-input'],
      ['an alpha that is no part', Array(9).fill({ text: 'a', label: 'positive' }), { alpha: 2 }, 'invalid-input'],
    ]) {
      test(`${name} is refused`, async () => {
        const refused = await page.evaluate(
          async ([examples, options]) => {
            const triage = await cascade({ local: LOCAL });
            return triage.calibrate(examples, options).then(() => undefined, ({ name, kind }) => ({ name, kind })).finally(() => triage.dispose());
          },
          [examples, options],
        );
        assert.deepEqual(refused, { name: 'PilotLightError', kind });
      });
    }

    test('a calibration that makes no sense is refused at load', async () => {
      const kind = await page.evaluate(() =>
        cascade({ local: LOCAL, calibration: { guarantee: 'all' } }).then(() => undefined, (error) => error.kind),
      );
      assert.equal(kind, 'invalid-input');
    });
  });
}
