// Chains of local models, routing, texts that must stay local, budgets, and explanations.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { typed } from './assertions.mjs';
import { startFaults } from './faults-server.mjs';
import { LIMIT, openBrowser } from './package-page.mjs';

const SENTENCES = JSON.parse(readFileSync(new URL('../golden/sentences.json', import.meta.url), 'utf8')).slice(0, 40);
/** A few kilobytes each, with the same labels. */
const TINY = { task: 'text-classification', model: '/golden/tiny-bert-seq' };
const SMALL = { task: 'text-classification', model: '/golden/tiny-xlmr-seq' };
/** On the encoder of TINY. */
const ROUTER = '/golden/tiny-router';
const PRICE = { prompt_usd_per_million: 1, completion_usd_per_million: 1, as_of: '2026-11-25' };

for (const worker of [true, false]) {
  describe(worker ? 'a chain in a worker' : 'a chain in place', LIMIT, () => {
    let server;
    let opened;
    let page;
    before(async () => {
      server = await startFaults(() => ['ok']);
      opened = await openBrowser({ webgpu: 'none' });
      page = await opened.page({ worker });
      await page.evaluate(
        (given) => {
          Object.assign(globalThis, given);
          /** The answers to `texts` with their explanations. */
          globalThis.ask = async (options, texts, { thresholds, ...asked } = {}) => {
            const triage = await cascade(options);
            if (thresholds) triage.thresholds = thresholds;
            try {
              const answers = await triage(texts, asked);
              return {
                answers,
                words: await Promise.all([answers].flat().map((answer) => triage.explain(answer))),
                thresholds: triage.thresholds,
              };
            } finally {
              await triage.dispose();
            }
          };
        },
        { SENTENCES, TINY, SMALL, ROUTER, PRICE, URL_OF_REMOTE: server.url },
      );
    });
    after(async () => {
      await opened?.close();
      await server?.stop();
    });

    test('an unsure answer goes to the next model, and after the last to the remote', async () => {
      const { alone, chain } = await page.evaluate(async () => {
        const alone = [];
        for (const local of [TINY, SMALL]) alone.push((await ask({ local }, SENTENCES, { thresholds: [0] })).answers);
        const middle = (answers) => answers.map(({ confidence }) => confidence).sort()[SENTENCES.length / 2];
        const thresholds = alone.map(middle);
        const remote = { baseURL: URL_OF_REMOTE, model: 'chain' };
        return {
          alone,
          chain: await ask(
            {
              local: [{ ...TINY, threshold: thresholds[0] }, SMALL],
              remote,
              policy: { threshold: thresholds[1], privacy: 'allow' },
            },
            SENTENCES,
          ),
        };
      });
      const tiers = new Set();
      chain.answers.forEach((answer, i) => {
        const looks = answer.decision.tiers;
        assert.equal(looks[0].confidence, alone[0][i].confidence);
        assert.equal(looks.length, looks[0].confidence >= chain.thresholds[0] ? 1 : 2);
        const last = looks.at(-1);
        assert.deepEqual(
          [answer.tier, answer.confidence, answer.threshold],
          [looks.length - 1, last.confidence, last.threshold],
        );
        if (answer.route === 'local') assert.equal(answer.output.label, alone[answer.tier][i].output.label);
        assert.equal(answer.route === 'local', last.confidence >= chain.thresholds[answer.tier], answer.detail);
        assert.ok(
          looks.every(
            ({ latency_ms, threshold, calibrated }, tier) =>
              latency_ms >= 0 && threshold === chain.thresholds[tier] && !calibrated,
          ),
        );
        tiers.add(`${answer.route} ${answer.tier}`);
        assert.equal(chain.words[i].match(/^Local model/gm).length, looks.length);
        assert.match(
          chain.words[i],
          answer.route === 'local'
            ? /because the local model is confident\./
            : /a remote model is asked\.\nAnswered by remote model 'chain'/,
        );
      });
      assert.deepEqual([...tiers].sort(), ['local 0', 'local 1', 'remote 1']);
    });

    test('a model of a chain is calibrated on what reaches it, and has no guarantee behind another threshold', async () => {
      const found = await page.evaluate(async () => {
        const triage = await cascade({ local: [{ ...TINY, threshold: 0.999 }, SMALL] });
        const seen = await triage(SENTENCES);
        // Right where it is confident, and wrong half of the time elsewhere.
        const [middle] = seen
          .map(({ confidence }) => confidence)
          .sort()
          .slice(SENTENCES.length / 2);
        const labels = ['negative', 'neutral', 'positive'];
        const examples = seen.map(({ output: { label }, confidence }, i) => ({
          text: SENTENCES[i],
          label: confidence >= middle || i % 2 ? label : labels.find((other) => other !== label),
        }));
        const unsaid = await outcome(triage.calibrate(examples));
        const { report, calibration } = await triage.calibrate(examples, { tier: 1, alpha: 0.4, delta: 0.3 });
        const [calibrated] = await triage([SENTENCES[0]]);
        const { thresholds } = triage;
        triage.thresholds = [0.9999, thresholds[1]];
        const [behind] = await triage([SENTENCES[0]]);
        await triage.dispose();
        const again = await cascade({
          local: [
            { ...TINY, threshold: 0.999 },
            { ...SMALL, calibration },
          ],
        });
        const [reused] = await again([SENTENCES[0]]);
        await again.dispose();
        const alone = await cascade({ local: SMALL, calibration });
        const [first] = await alone([SENTENCES[0]]);
        await alone.dispose();
        return { unsaid, report, calibration, calibrated, behind, reused, first, thresholds };
      });
      assert.match(found.unsaid.error.message, /There are 2 local models/);
      assert.equal(found.report.choice.outcome, 'holds', JSON.stringify(found.report.choice));
      assert.equal(found.calibration.behind.length, 1);
      assert.deepEqual(found.thresholds, [0.999, found.calibration.threshold]);
      const says = ({ tier, calibrated }) => [tier, calibrated];
      assert.deepEqual([found.calibrated, found.behind, found.reused, found.first].map(says), [
        [1, true],
        [1, false],
        [1, true],
        [0, false],
      ]);
    });

    test('a router chooses which of two remote models is asked first, by the embedding of a text and its length', async () => {
      const { texts, attention_mask } = JSON.parse(
        readFileSync(new URL('../golden/tiny-bert-seq/golden.json', import.meta.url), 'utf8'),
      );
      const names = ['cheap', 'strong'].map((name) => `${name}-${worker}`);
      const { embeddings, gains, answers, words } = await page.evaluate(
        async ([texts, names]) => {
          const embed = await pipeline('feature-extraction', TINY.model);
          const {
            data,
            dims: [, hidden],
          } = await embed(texts, { pooling: 'mean', normalize: true });
          const estimate = await pipeline('text-classification', ROUTER);
          const gains = (await estimate(texts)).map(({ score }) => score);
          await Promise.all([embed.dispose(), estimate.dispose()]);
          // The gain is large enough for half of the texts.
          const min_gain = [...gains].sort((a, b) => a - b)[texts.length >> 1];
          const remote = names.map((model) => ({ baseURL: URL_OF_REMOTE, model }));
          const asked = await ask(
            { local: TINY, remote, router: { model: ROUTER, min_gain }, policy: { threshold: 1, privacy: 'allow' } },
            texts,
          );
          return { gains, embeddings: texts.map((_, i) => [...data.slice(i * hidden, (i + 1) * hidden)]), ...asked };
        },
        [texts, names],
      );
      const [firsts, middle] = [[0, 0], [...gains].sort((a, b) => a - b)[texts.length >> 1]];
      answers.forEach(
        (
          {
            decision: {
              routing,
              tiers: [tier],
            },
            route,
            model,
            local_latency_ms,
            work,
          },
          i,
        ) => {
          const tokens = attention_mask[i].reduce((sum, bit) => sum + bit);
          const wanted = embeddings[i].reduce(
            (sum, x, at) => sum + x * 0.05 * (at % 2 ? -1 : 1) * (at + 1),
            0.2 * Math.log(1 + tokens) - 0.5,
          );
          assert.ok(Math.abs(gains[i] - wanted) < 1e-5, `${gains[i]} ${wanted}`);
          assert.ok(Math.abs(routing.gain - gains[i]) < 1e-6);
          const first = Number(gains[i] >= middle);
          firsts[first] += 1;
          assert.deepEqual([model, route], [names[first], 'remote']);
          assert.match(words[i], new RegExp(`so that ${first} is asked first`));
          assert.ok(
            local_latency_ms >= routing.latency_ms + tier.latency_ms &&
              work.operations > routing.work.operations &&
              routing.work.operations > 0,
          );
        },
      );
      assert.deepEqual(firsts, [2, 3]);
    });

    test('must_stay_local overrides the policy', async () => {
      const { answers, words } = await page.evaluate(() =>
        ask(
          {
            local: TINY,
            remote: { baseURL: URL_OF_REMOTE, model: 'never' },
            policy: { threshold: 1, privacy: 'allow' },
          },
          SENTENCES,
          { must_stay_local: true },
        ),
      );
      assert.ok(
        answers.every(({ route, reason, degraded }) => route === 'local' && reason === 'must-stay-local' && degraded),
      );
      assert.ok(words.every((words) => words.includes('This one must stay local.')));
      assert.equal(server.of('never').bodies.length, 0);
    });

    test('a budget is a hard limit for all remote models together', async () => {
      const name = `budget-${worker}`;
      const { answers, words } = await page.evaluate((model) => {
        const remote = ['a', 'b'].map((which) => ({
          baseURL: URL_OF_REMOTE,
          model: `${model}-${which}`,
          price: PRICE,
        }));
        return ask(
          {
            local: TINY,
            remote,
            policy: {
              threshold: 1,
              privacy: 'allow',
              budget: { requests_per_day: 3, usd_per_day: 1, joules_per_day: 1e6 },
            },
          },
          SENTENCES.slice(0, 8),
        );
      }, name);
      const reasons = answers.map(({ reason }) => reason);
      assert.deepEqual(
        [
          reasons.filter((reason) => reason === 'unsure').length,
          reasons.filter((reason) => reason === 'requests-per-day').length,
        ],
        [3, 5],
      );
      assert.equal(server.of(`${name}-a`).bodies.length + server.of(`${name}-b`).bodies.length, 3);
      for (const [i, { decision, reason }] of answers.entries()) {
        const [{ cost, left }] = decision.offers;
        assert.ok(cost.tokens > 0 && cost.usd > 0 && cost.joules > 0);
        assert.equal(left.requests_per_day >= 1, reason === 'unsure');
        assert.match(
          words[i],
          reason === 'unsure'
            ? /left are [1-3] requests today, .*: asked\./
            : /not asked, because the budget of requests a day is spent\./,
        );
      }
      // Another cascade of the origin shares it.
      const again = await page.evaluate(
        (model) =>
          ask(
            {
              local: TINY,
              remote: { baseURL: URL_OF_REMOTE, model: `${model}-a` },
              policy: { threshold: 1, privacy: 'allow', budget: { requests_per_day: 3 } },
            },
            SENTENCES[0],
          ),
        name,
      );
      assert.equal(again.answers.reason, 'requests-per-day');
    });

    test('invalid options are refused with a clear message', async () => {
      const outcomes = await page.evaluate(async () => {
        const remote = { baseURL: URL_OF_REMOTE, model: 'none' };
        const budget = (budget) => cascade({ local: TINY, remote, policy: { budget } });
        // The facts that the message must have, and the call.
        const calls = {
          budget: () => budget({}),
          'requests_per_day 0': () => budget({ requests_per_day: 0 }),
          'usd_per_day -1': () =>
            cascade({ local: TINY, remote: { ...remote, price: PRICE }, policy: { budget: { usd_per_day: -1 } } }),
          'joules_per_day NaN': () => budget({ joules_per_day: NaN }),
          'latency_ms 0': () => budget({ latency_ms: 0 }),
          price: () => budget({ usd_per_day: 1 }),
          euros: () => budget({ euros: 1 }),
          'policy.threshold NaN': () => cascade({ local: TINY, policy: { threshold: NaN } }),
          'same labels': () =>
            cascade({ local: [TINY, { task: 'text-classification', model: '/golden/tiny-distilbert-seq' }] }),
          'same task': () =>
            cascade({ local: [TINY, { task: 'token-classification', model: '/golden/tiny-bert-token' }] }),
          'own calibration': () => cascade({ local: [TINY, SMALL], calibration: { threshold: 0.5 } }),
          'router two': () => cascade({ local: TINY, remote, router: { model: ROUTER, min_gain: 0.1 } }),
          'router min_gain 2': () =>
            cascade({ local: TINY, remote: [remote, remote], router: { model: ROUTER, min_gain: 2 } }),
          'router.min_gain NaN': () =>
            cascade({ local: TINY, remote: [remote, remote], router: { model: ROUTER, min_gain: NaN } }),
          'router model, min_gain': () => cascade({ local: TINY, remote: [remote, remote], router: ROUTER }),
          'router gain': () =>
            cascade({ local: TINY, remote: [remote, remote], router: { model: ROUTER, min_gain: 0, gain: 0 } }),
          'estimates gain': () =>
            cascade({ local: TINY, remote: [remote, remote], router: { model: TINY.model, min_gain: 0 } }),
          'fields envelope': async () => {
            const triage = await cascade({ local: TINY });
            return triage.explain({ route: 'local' }).finally(() => triage.dispose());
          },
        };
        const outcomes = {};
        for (const [facts, call] of Object.entries(calls)) outcomes[facts] = await outcome(call());
        return outcomes;
      });
      for (const [facts, { error }] of Object.entries(outcomes)) {
        typed(error, 'invalid-input');
        for (const fact of facts.split(' '))
          assert.ok(error.message.includes(fact), `${fact} is not in: ${error.message}`);
      }
    });
  });
}
