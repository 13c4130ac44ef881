// Tasks against golden values: the same tests in a worker and in the page's own thread, on both devices.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { allClose } from './assertions.mjs';
import { cosine, goldenJson, goldenSentences, softmax } from './golden.mjs';
import { LIMIT, MINILM, openBrowser } from './package-page.mjs';

const sentences = goldenSentences();

for (const device of ['wasm', 'webgpu']) {
  for (const worker of [true, false]) {
    describe(`on ${device}, ${worker ? 'in a worker' : 'in place'}`, LIMIT, () => {
      let opened;
      let page;
      before(async () => {
        opened = await openBrowser({ webgpu: device === 'webgpu' ? 'software' : 'none' });
        page = await opened.page({ device, worker });
      });
      after(() => opened?.close());

      tinyModels(() => page, device);
      // WebGPU in software takes seconds for each of these texts: only a few of them there.
      embeddings(() => page, device === 'wasm' ? sentences : sentences.slice(0, 3));
      if (device === 'wasm') heads(() => page);
    });
  }
}

/** Every task, with checkpoints of a few kilobytes. */
function tinyModels(page, device) {
  test('the device is the one requested, with a reason', async () => {
    const report = await page().evaluate(
      async () => (await shared('feature-extraction', '/golden/tiny-bert-seq')).device,
    );
    assert.deepEqual([report.kind, report.requested, report.adapter !== ''], [device, device, device === 'webgpu']);
    assert.notEqual(report.reason, '');
  });

  test('token vectors are those of the reference', async () => {
    const golden = goldenJson('tiny-bert-seq/golden.json');
    const [tensor, vectors] = await page().evaluate(async (text) => {
      const embed = await shared('feature-extraction', '/golden/tiny-bert-seq');
      const tensor = await embed(text, { pooling: 'none' });
      return [{ type: tensor.type, dims: tensor.dims, isFloats: tensor.data instanceof Float32Array }, rows(tensor)];
    }, golden.texts[0]);
    assert.deepEqual(tensor, { type: 'float32', dims: [1, ...golden.last_hidden_state_shape], isFloats: true });
    allClose(vectors.flat(), golden.last_hidden_state, 1e-4);
  });

  test('padding never changes a result', async () => {
    const { texts } = goldenJson('tiny-bert-seq/golden.json');
    const [together, alone] = await page().evaluate(async (texts) => {
      const embed = await shared('feature-extraction', '/golden/tiny-bert-seq');
      const options = { pooling: 'mean', normalize: true };
      const alone = [];
      for (const text of texts) alone.push(rows(await embed(text, options))[0]);
      return [rows(await embed(texts, options)), alone];
    }, texts);
    allClose(together.flat(), alone.flat(), 1e-5);
  });

  test('pooling is the mean of the token vectors or the first of them', async () => {
    const { texts } = goldenJson('tiny-bert-seq/golden.json');
    const [tokens, mean, cls] = await page().evaluate(async (text) => {
      const embed = await shared('feature-extraction', '/golden/tiny-bert-seq');
      const vectors = [];
      for (const pooling of ['none', 'mean', 'cls'])
        vectors.push(rows(await embed(text, { pooling, normalize: false })));
      return vectors;
    }, texts[0]);
    allClose(
      mean[0],
      tokens[0].map((_, i) => tokens.reduce((sum, vector) => sum + vector[i], 0) / tokens.length),
      1e-5,
    );
    allClose(cls[0], tokens[0], 1e-6);
  });

  test('a published sequence head gives the probabilities of the reference', async () => {
    const golden = goldenJson('tiny-bert-seq/golden.json');
    const { id2label } = goldenJson('tiny-bert-seq/config.json');
    const [all, best, one, none] = await page().evaluate(async (texts) => {
      const classify = await shared('text-classification', '/golden/tiny-bert-seq');
      return [
        await classify(texts, { top_k: null }),
        await classify(texts),
        await classify(texts[0]),
        await classify([]),
      ];
    }, golden.texts);
    const expected = golden.logits.map((logits) =>
      ranked(softmax(logits).map((score, i) => ({ label: id2label[i], score }))),
    );
    assert.deepEqual(
      all.map((labels) => labels.map(({ label }) => label)),
      expected.map((labels) => labels.map(({ label }) => label)),
    );
    allClose(
      all.flat().map(({ score }) => score),
      expected.flat().map(({ score }) => score),
      1e-4,
    );
    assert.deepEqual(
      best.map(({ label }) => label),
      expected.map(([{ label }]) => label),
    );
    assert.deepEqual([one.length, one[0].label, none], [1, expected[0][0].label, []]);
  });

  test('a published token head gives the labels of the reference, with offsets in UTF-16', async () => {
    const golden = goldenJson('tiny-bert-token/golden.json');
    const { id2label } = goldenJson('tiny-bert-token/config.json');
    const found = await page().evaluate(
      async (texts) => (await shared('token-classification', '/golden/tiny-bert-token'))(texts),
      golden.texts,
    );
    golden.texts.forEach((text, i) => {
      const expected = golden.offsets[i]
        .map(([from, to], token) => ({
          word: inBytes(text, from, to),
          ...ranked(softmax(golden.logits[i][token]).map((score, label) => ({ entity: id2label[label], score })))[0],
        }))
        // Special tokens have no offsets, and 'O' is not an entity.
        .filter(({ word, entity }) => word !== '' && entity !== 'O');
      assert.ok(expected.length > 0, `text ${i} has entities`);
      // The third text has entities after characters of one code point and two UTF-16 code units.
      assert.deepEqual(
        found[i].map(({ start, end }) => text.slice(start, end)),
        expected.map(({ word }) => word),
      );
      assert.deepEqual(
        found[i].map(({ entity }) => entity),
        expected.map(({ entity }) => entity),
      );
      allClose(
        found[i].map(({ score }) => score),
        expected.map(({ score }) => score),
        1e-3,
      );
    });
  });

  test('simple aggregation joins neighbours of one kind', async () => {
    const { texts } = goldenJson('tiny-bert-token/golden.json');
    const [tokens, groups] = await page().evaluate(async (texts) => {
      const find = await shared('token-classification', '/golden/tiny-bert-token');
      return [await find(texts), await find(texts, { aggregation_strategy: 'simple' })];
    }, texts);
    texts.forEach((text, i) => {
      assert.ok(tokens[i].length > 0, `text ${i} has entities`);
      const expected = [];
      for (const { entity, index, start, end } of tokens[i]) {
        const last = expected.at(-1);
        // An entity does not begin in the middle of a word.
        const goesOn = last?.end === start && /^[\p{L}\p{N}]{2}$/u.test(text.slice(start - 1, start + 1));
        const [begins, kind] = [entity.startsWith('B-') && !goesOn, entity.slice(2)];
        if (last && !begins && last.kind === kind && last.index === index - 1) Object.assign(last, { end, index });
        else expected.push({ kind, start, end, index });
      }
      assert.deepEqual(
        groups[i].map(({ entity_group, start, end }) => [entity_group, start, end]),
        expected.map(({ kind, start, end }) => [kind, start, end]),
      );
      for (const { word, start, end, score } of groups[i]) {
        assert.equal(word, text.slice(start, end));
        assert.ok(score > 0 && score <= 1);
      }
    });
  });
}

/** MiniLM against the reference. */
function embeddings(page, golden) {
  test(`MiniLM agrees with the reference on ${golden.length} sentences`, async () => {
    const [dims, vectors] = await page().evaluate(
      async ([model, texts]) => {
        const tensor = await (await shared('feature-extraction', model))(texts, { pooling: 'mean', normalize: true });
        return [tensor.dims, rows(tensor)];
      },
      [MINILM, golden.map(({ text }) => text)],
    );
    assert.deepEqual(dims, [golden.length, 384]);
    golden.forEach(({ text, embedding }, i) => {
      const agreement = cosine(vectors[i], embedding);
      assert.ok(agreement >= 0.9999, `${agreement} for '${text}'`);
    });
  });
}

/** Heads on MiniLM. */
function heads(page) {
  test('the sentiment head separates praise from complaint', async () => {
    const texts = [
      'An absolute joy from the first page to the last.',
      'What a terrible film; I want those two hours back.',
    ];
    const [answers, labels] = await page().evaluate(async (texts) => {
      const classify = await shared('text-classification', '/models/sentiment');
      return [await classify(texts, { top_k: null }), classify.labels];
    }, texts);
    assert.deepEqual([...labels].sort(), ['negative', 'positive']);
    assert.deepEqual(
      answers.map(([{ label }]) => label),
      ['positive', 'negative'],
    );
    for (const answer of answers) allClose([answer.reduce((sum, { score }) => sum + score, 0)], [1], 1e-6);
  });

  test('the spam head separates fraud from work mail', async () => {
    const texts = [
      'Congratulations! You have won $1,000,000 in our international lottery. Click here to claim your free prize money now, offer expires today!',
      'The patch to the build script is attached. I ran the tests on Linux; could you try it on your machine before I commit it?',
    ];
    const [answers, labels] = await page().evaluate(async (texts) => {
      const classify = await shared('text-classification', '/models/spam');
      return [await classify(texts), classify.labels];
    }, texts);
    assert.deepEqual([...labels].sort(), ['ham', 'spam']);
    assert.deepEqual(
      answers.map(({ label }) => label),
      ['spam', 'ham'],
    );
  });

  test('zero-shot labels are ranked by similarity', async () => {
    const text = 'The striker scored twice in the second half.';
    const labels = ['cooking', 'football', 'politics'];
    const [one, many, each] = await page().evaluate(
      async ([model, text, labels]) => {
        const classify = await shared('zero-shot-classification', model);
        return [
          await classify(text, labels),
          await classify([text, text], labels),
          await classify(text, labels, { multi_label: true, hypothesis_template: 'This is about {}.' }),
        ];
      },
      [MINILM, text, labels],
    );
    assert.deepEqual([one.sequence, one.labels[0], [...one.labels].sort()], [text, 'football', labels]);
    allClose([one.scores.reduce((a, b) => a + b)], [1], 1e-6);
    assert.deepEqual(
      one.scores,
      one.scores.toSorted((a, b) => b - a),
    );
    assert.deepEqual(
      many.map(({ labels }) => labels),
      [one.labels, one.labels],
    );
    assert.equal(each.labels[0], 'football');
  });
}

const ranked = (answers) => answers.toSorted((a, b) => b.score - a.score);
const inBytes = (text, from, to) => Buffer.from(text).subarray(from, to).toString();
