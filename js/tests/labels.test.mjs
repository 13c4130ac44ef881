// Labels by remote models: which texts are asked about, what is stored, and when the labelling stops.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { checkExamples, label, truthOf } from '../modules/cascade/labels.js';

const TEXTS = Array.from({ length: 20 }, (_, i) => ({ text: `text ${i}` }));
const remote = (label) => ({ route: 'remote', reason: 'unsure', output: { label }, model: 'general' });
const local = (reason, detail) => ({ route: 'local', reason, output: { label: 'none' }, ...(detail && { detail }) });
const nobody = () => Promise.reject(new Error('nobody was to be asked'));
const kind = (expected, words) => (error) => error.kind === expected && words.test(error.message);

test('texts without a label are asked about once, and known ones are not', async () => {
  const asked = [];
  const done = [];
  const texts = [{ text: 'given', label: 'ham' }, ...TEXTS, TEXTS[3]];
  const labelled = [{ text: 'text 0', label: 'spam', labelled_by: 'another' }];
  const consult = async (lot) => (asked.push(...lot), lot.map(() => remote('spam')));
  const { examples, labels } = await label(texts, labelled, consult, (count) => done.push(count));
  assert.deepEqual(
    asked,
    TEXTS.slice(1).map(({ text }) => text),
  );
  assert.deepEqual(labels, { given: 1, asked: 21, unanswered: 0, models: ['another', 'general'] });
  assert.deepEqual(
    examples.map(({ text }) => text),
    texts.map(({ text }) => text),
  );
  assert.equal(labelled.length, 20);
  assert.ok(
    done.length > 1 && done.at(-1) === texts.length && done.toSorted((a, b) => a - b).join() === done.join(),
    String(done),
  );
  const again = await label(texts, labelled, nobody, () => undefined);
  assert.deepEqual(again, { examples, labels });
});

test('texts without an answer are left out and counted', async () => {
  const consult = async (lot) => lot.map((text) => (text === 'text 5' ? local('remote-refused') : remote('ham')));
  const { examples, labels } = await label(TEXTS, [], consult, () => undefined);
  assert.deepEqual([examples.length, labels.asked, labels.unanswered], [19, 19, 1]);
});

test('a cap ends the labelling, and the answers so far are stored', async () => {
  const labelled = [];
  let left = 11;
  const consult = async (lot) =>
    lot.map(() => (left-- > 0 ? remote('ham') : local('usd-per-day', 'the cap on money a day is reached')));
  await assert.rejects(
    label(TEXTS, labelled, consult, () => undefined),
    kind('budget-exhausted', /cap on money a day.* 11 texts/),
  );
  assert.equal(labelled.length, 11);
  left = 9;
  const { labels } = await label(TEXTS, labelled, consult, () => undefined);
  assert.deepEqual([labels.asked, left], [20, 0]);
});

test('every cap ends the labelling after its batch, and is reported as a spent budget', async () => {
  for (const reason of [
    'requests-per-minute',
    'tokens-per-minute',
    'requests-per-day',
    'usd-per-day',
    'joules-per-day',
    'latency',
    'spending-unknown',
  ]) {
    let lots = 0;
    const consult = async (lot) => (lots++, lot.map((_, i) => (i < 3 ? remote('ham') : local(reason))));
    await assert.rejects(
      label(TEXTS, [], consult, () => undefined),
      kind('budget-exhausted', new RegExp(reason)),
    );
    assert.equal(lots, 1, reason);
  }
});

test('where no remote answers the labelling ends soon', async () => {
  for (const reason of ['remote-unreachable', 'local-only', 'no-remote', 'breaker-open']) {
    let lots = 0;
    const consult = async (lot) => (lots++, lot.map(() => local(reason)));
    await assert.rejects(
      label(TEXTS, [], consult, () => undefined),
      kind('remote', new RegExp(reason)),
    );
    assert.equal(lots, 1);
  }
});

test('a failure in the middle leaves the answers before it', async () => {
  const labelled = [];
  let lots = 0;
  const consult = async (lot) => (lots++ > 0 ? Promise.reject(new Error('aborted')) : lot.map(() => remote('ham')));
  await assert.rejects(
    label(TEXTS, labelled, consult, () => undefined),
    /aborted/,
  );
  assert.equal(labelled.length, 8);
});

test('entities are answers as well, with their words', async () => {
  const text = '😀 Ann';
  const entities = [{ entity_group: 'PER', start: 3, end: 6 }];
  assert.deepEqual(truthOf({ text, entities }), [{ ...entities[0], word: 'Ann' }]);
  assert.deepEqual(truthOf({ text, entities: [] }), []);
  const labelled = [];
  const consult = async () => [{ ...remote(), output: [{ ...entities[0], word: 'Ann' }] }];
  await label([{ text }], labelled, consult, () => undefined);
  assert.deepEqual(labelled, [{ text, entities, labelled_by: 'general' }]);
});

test('invalid examples are refused', () => {
  const entity = { entity_group: 'PER', start: 0, end: 1 };
  for (const wrong of [
    'text',
    ['text'],
    [null],
    [{ label: 'ham' }],
    [{ text: 'a', label: 1 }],
    [{ text: 'a', label: 'ham', entities: [] }],
    [{ text: 'a', entities: {} }],
    [{ text: 'a', entities: [{ ...entity, end: 2 }] }],
    [{ text: 'a', entities: [{ ...entity, start: 1 }] }],
    [{ text: 'a', entities: [{ ...entity, start: 0.5 }] }],
    [{ text: 'a', entities: [{ start: 0, end: 1 }] }],
    [{ text: 'a', entities: [null] }],
  ]) {
    assert.throws(() => checkExamples(wrong), kind('invalid-input', /xample/), JSON.stringify(wrong));
  }
  assert.equal(checkExamples([{ text: 'a' }, { text: 'a', entities: [entity] }]).length, 2);
});
