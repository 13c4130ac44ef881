// Error handling: invalid model files, options and inputs, and aborts. Each gives a typed error, and the page keeps working.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { typed } from './assertions.mjs';
import { cosine, goldenBytes, goldenJson, goldenSentences, withHeader } from './golden.mjs';
import { LIMIT, MINILM, openBrowser } from './package-page.mjs';

const GOOD = '/golden/tiny-bert-seq';
const WORDS = 'bert.embeddings.word_embeddings.weight';
const KEY = 'bert.encoder.layer.0.attention.self.key.bias';
const QUERY = 'bert.encoder.layer.0.attention.self.query.bias';
const HTML = { body: '<!doctype html><title>The start page</title>', contentType: 'text/html' };

const weights = (change, length) => ['model.safetensors', (bytes) => ({ body: withHeader(bytes, change, length) })];
const config = (change) => ['config.json', (bytes) => ({ body: JSON.stringify({ ...JSON.parse(bytes), ...change }) })];

/** Model folders with one fault each: the changed file, and the kind of the error. */
const FOLDERS = {
  'weights that end too early': [
    ['model.safetensors', (bytes) => ({ body: bytes.subarray(0, -100) })],
    'invalid-artefact',
  ],
  'weights that end in their header': [
    ['model.safetensors', (bytes) => ({ body: bytes.subarray(0, 1000) })],
    'invalid-artefact',
  ],
  'weights that go on too long': [
    ['model.safetensors', (bytes) => ({ body: Buffer.concat([bytes, Buffer.alloc(64)]) })],
    'invalid-artefact',
  ],
  'a header as long as the sea': [weights(() => undefined, 1n << 60n), 'invalid-artefact'],
  'tensors that overlap': [
    weights((header) => (header[KEY].data_offsets = header[QUERY].data_offsets)),
    'invalid-artefact',
  ],
  'a tensor outside of its file': [
    weights((header) => (header[KEY].data_offsets = [1 << 30, (1 << 30) + 64])),
    'invalid-artefact',
  ],
  'a tensor of another shape': [weights((header) => header[WORDS].shape.reverse()), 'invalid-artefact'],
  'a tensor of another type': [weights((header) => (header[KEY].dtype = 'I32')), 'invalid-artefact'],
  'a tensor of no type': [weights((header) => (header[KEY].dtype = 'F99')), 'invalid-artefact'],
  'a tensor that is not there': [weights((header) => delete header[KEY]), 'invalid-artefact'],
  'a page in place of the weights': [
    ['model.safetensors', () => ({ ...HTML, contentType: 'application/octet-stream' })],
    'invalid-artefact',
  ],
  'a page in place of JSON': [['config.json', () => HTML], 'invalid-artefact'],
  'JSON that breaks off': [['config.json', (bytes) => ({ body: bytes.subarray(0, 50) })], 'invalid-artefact'],
  'an architecture not known': [config({ model_type: 'mamba' }), 'unsupported'],
  'sizes from another world': [config({ hidden_size: 1e15 }), 'invalid-artefact'],
  'a tokenizer that is missing': [['tokenizer.json', () => ({ status: 404, body: 'not there' })], 'invalid-artefact'],
  'a tokenizer that does not fit': [
    ['tokenizer.json', () => ({ body: goldenBytes('tiny-roberta-seq/tokenizer.json') })],
    'invalid-artefact',
  ],
  'a server that refuses': [['config.json', () => ({ status: 403, body: 'no' })], 'invalid-artefact'],
};

const broken = Object.fromEntries(Object.entries(FOLDERS).map(([what, [change]]) => [what, change]));

for (const worker of [true, false]) {
  describe(worker ? 'in a worker' : 'in place', LIMIT, () => {
    let opened;
    let page;
    before(async () => {
      opened = await openBrowser({ webgpu: 'none' });
      page = await opened.page({ worker, broken });
    });
    after(() => opened?.close());

    /** The page still gives the same result. */
    const goesOn = async () => {
      const label = await page.evaluate(
        async (model) => (await (await shared('text-classification', model))('The rain began.'))[0].label,
        GOOD,
      );
      assert.equal(label, 'neutral');
    };

    for (const [what, [, kind]] of Object.entries(FOLDERS)) {
      test(what, async () => {
        const { error } = await page.evaluate(
          (model) => outcome(pipeline('text-classification', model)),
          `/broken/${what}`,
        );
        typed(error, kind);
        await goesOn();
      });
    }

    test('a missing folder is named', async () => {
      const { error } = await page.evaluate(() => outcome(pipeline('feature-extraction', '/models/none')));
      typed(error, 'invalid-artefact');
      assert.match(error.message, /\/models\/none\/config\.json/);
      await goesOn();
    });

    test('a task that the model is not for', async () => {
      const { error } = await page.evaluate((model) => outcome(pipeline('text-classification', model)), MINILM);
      typed(error, 'unsupported');
      await goesOn();
    });

    test('invalid options', async () => {
      const outcomes = await page.evaluate(async (model) => {
        const embed = await shared('feature-extraction', model);
        const classify = await shared('text-classification', model);
        const rank = await shared('zero-shot-classification', model);
        const calls = {
          'a device': () => pipeline('feature-extraction', model, { device: 'abacus' }),
          'a number type': () => pipeline('feature-extraction', model, { dtype: 'fp12' }),
          'an option of loading': () => pipeline('feature-extraction', model, { devise: 'wasm' }),
          'a task': () => pipeline('divination', model),
          'a model': () => pipeline('feature-extraction', ''),
          'a pooling': () => embed('text', { pooling: 'sideways' }),
          'an option of calling': () => embed('text', { poling: 'mean' }),
          'a number of labels': () => classify('text', { top_k: -1 }),
          'no labels': () => rank('text', []),
          'a template': () => rank('text', ['a', 'b'], { hypothesis_template: 'without a place' }),
          'a number as text': () => embed(7),
          'nothing as text': () => embed(undefined),
          'a list with a hole': () => embed(['text', null]),
        };
        const outcomes = {};
        for (const [what, call] of Object.entries(calls)) outcomes[what] = await outcome(call());
        return outcomes;
      }, GOOD);
      for (const [what, { error }] of Object.entries(outcomes)) {
        assert.ok(error?.ours, what);
        // A value that exists elsewhere may be unsupported; all others are invalid.
        assert.match(
          error.kind,
          what === 'a task' || what === 'a number type' ? /^(unsupported|invalid-input)$/ : /^invalid-input$/,
          `${what}: ${error.message}`,
        );
      }
      await goesOn();
    });

    test('unusual texts', async () => {
      const vectors = await page.evaluate(async (model) => {
        const embed = await shared('feature-extraction', model);
        const texts = [
          '',
          '\ud800 lone \udc00',
          '\ufffd lone \ufffd',
          '\0',
          'word '.repeat(200_000),
          'word '.repeat(1_000),
          'x'.repeat(1_000_000),
          'after',
        ];
        const vectors = [];
        for (const text of texts) vectors.push(rows(await embed(text, { pooling: 'mean', normalize: true }))[0]);
        return vectors;
      }, MINILM);
      for (const vector of vectors) assert.ok(vector.length === 384 && vector.every(Number.isFinite));
      const [, lone, replaced, , million, thousand] = vectors;
      assert.ok(cosine(lone, replaced) > 0.999999, 'a lone surrogate is read as the replacement character');
      assert.ok(cosine(million, thousand) > 0.999999, 'only the beginning of a long text is read');
    });

    test('lone surrogates in labels and templates', async () => {
      const [labels, whole] = await page.evaluate(async (model) => {
        const rank = await shared('zero-shot-classification', model);
        const options = { hypothesis_template: '\udc00 about {}' };
        const { labels } = await rank('The rain began.', ['sun\ud83d', 'rain', '\ude00\ud83d'], options);
        const { labels: whole } = await rank('The rain began.', ['sun 😀', 'rain\\ud83d'], options);
        return [labels.toSorted(), whole.toSorted()];
      }, GOOD);
      assert.deepEqual(labels, ['rain', 'sun\ufffd', '\ufffd\ufffd']);
      assert.deepEqual(whole, ['rain\\ud83d', 'sun 😀']);
    });

    test('a text that is too long to be labelled is named by its index', async () => {
      const [pipelined, decided] = await page.evaluate(async () => {
        const long = 'rain '.repeat(10_000);
        const texts = Array.from({ length: 40 }, (_, i) => (i === 35 ? long : 'Ann lives in Rome.'));
        const model = '/golden/tiny-bert-token';
        const find = await shared('token-classification', model);
        const triage = await cascade({ local: { task: 'token-classification', model } });
        const errors = [await outcome(find(texts)), await outcome(triage(texts))];
        await triage.dispose();
        return errors;
      });
      for (const { error } of [pipelined, decided]) {
        typed(error, 'invalid-input');
        assert.match(error.message, /^Input 35: the text has \d+ tokens/);
      }
      await goesOn();
    });

    test('an abort of a load', async () => {
      const [before, during] = await page.evaluate(async (model) => {
        // Without the cache, so that there is a download to abort.
        pilot.env.useBrowserCache = false;
        const controller = new AbortController();
        const progress_callback = ({ status, file, loaded }) => {
          if (status === 'progress' && file === 'model.safetensors' && loaded > 0) controller.abort();
        };
        const outcomes = [
          await outcome(pipeline('feature-extraction', model, { signal: AbortSignal.abort() })),
          await outcome(pipeline('feature-extraction', model, { signal: controller.signal, progress_callback })),
        ];
        pilot.env.useBrowserCache = true;
        return outcomes;
      }, MINILM);
      for (const { error } of [before, during]) typed(error, 'cancelled');
      await goesOn();
    });

    test('an abort of a call', async () => {
      const [before, during, next] = await page.evaluate(async (model) => {
        const embed = await shared('feature-extraction', model);
        const texts = Array.from({ length: 96 }, (_, i) => `text number ${i}`);
        const controller = new AbortController();
        const running = outcome(embed(texts, { pooling: 'mean', signal: controller.signal }));
        controller.abort();
        return [
          await outcome(embed(texts, { signal: AbortSignal.abort() })),
          await running,
          (await embed('next', { pooling: 'mean' })).dims,
        ];
      }, MINILM);
      for (const { error } of [before, during]) typed(error, 'cancelled');
      assert.deepEqual(next, [1, 384]);
    });

    test('an abort of a call that runs, between two slices of its inputs', async () => {
      // Times of the same work in the same page, one after the other; a machine that was busy in between gets another try.
      const tries = await page.evaluate(async (model) => {
        const embed = await shared('feature-extraction', model);
        const texts = Array.from({ length: 512 }, (_, i) => `a text that has the number ${i}`);
        const timed = async (work) => {
          const start = performance.now();
          const result = await work();
          return [performance.now() - start, result];
        };
        const tries = [];
        do {
          const [slice] = await timed(() => embed(texts.slice(0, 32), { pooling: 'mean' }));
          const controller = new AbortController();
          // By now the first slice runs; the engine hears of the abort when it has ended, long before the last.
          setTimeout(() => controller.abort(), slice / 2);
          const [ended, { error }] = await timed(async () => {
            const result = await outcome(embed(texts, { pooling: 'mean', signal: controller.signal }));
            await embed('next', { pooling: 'mean' });
            return result;
          });
          tries.push({ error, slices: ended / slice });
        } while (tries.at(-1).slices >= 12 && tries.length < 4);
        return tries;
      }, MINILM);
      for (const { error } of tries) typed(error, 'cancelled');
      assert.ok(
        tries.at(-1).slices < 12,
        `the engine was free after the time of ${tries.map(({ slices }) => slices)} of 16 slices`,
      );
    });

    test('two models at once, and a second call while one runs', async () => {
      const [first, second] = goldenSentences();
      const [labels, vectors] = await page.evaluate(
        async ([tiny, minilm, texts]) => {
          const [classify, embed] = await Promise.all([
            pipeline('text-classification', tiny),
            pipeline('feature-extraction', minilm),
          ]);
          const options = { pooling: 'mean', normalize: true };
          const [labels, a, b] = await Promise.all([
            classify(['The rain began.', 'Hello']),
            embed(texts[0], options),
            embed(texts[1], options),
          ]);
          await Promise.all([classify.dispose(), embed.dispose()]);
          return [labels.map(({ label }) => label), [...rows(a), ...rows(b)]];
        },
        [GOOD, MINILM, [first.text, second.text]],
      );
      assert.deepEqual(labels, ['neutral', 'negative']);
      for (const [i, { embedding }] of [first, second].entries()) assert.ok(cosine(vectors[i], embedding) >= 0.9999);
    });

    test('dispose while a call runs lets it end, and refuses the next', async () => {
      const [dims, twice, { error }] = await page.evaluate(async (model) => {
        const embed = await pipeline('feature-extraction', model);
        const running = embed(['one', 'two'], { pooling: 'mean' });
        const disposing = embed.dispose();
        const { dims } = await running;
        await disposing;
        return [dims, await outcome(embed.dispose()), await outcome(embed('three'))];
      }, MINILM);
      assert.deepEqual([dims, twice.error], [[2, 384], undefined]);
      typed(error, 'invalid-input');
      await goesOn();
    });
  });
}

test('the golden labels that these tests go by', () => {
  const { logits } = goldenJson('tiny-bert-seq/golden.json');
  const { id2label } = goldenJson('tiny-bert-seq/config.json');
  assert.deepEqual(
    logits.slice(0, 2).map((row) => id2label[row.indexOf(Math.max(...row))]),
    ['neutral', 'negative'],
  );
});
