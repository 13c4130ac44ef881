// Labels by remote models: which texts are asked about, what is stored, and when the labelling stops.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { checkExamples, label, truthOf } from '../modules/cascade/labels.js';

const TEXTS = Array.from({ length: 20 }, (_, i) => ({ text: `text ${i}` }));
const remote = (label) => ({ reason: 'unsure', output: { label }, model: 'general' });
const local = (reason, detail) => ({ reason, ...(detail && { detail }) });

/** Rules that ask about batches in their order until `stop` gives a step for the outcomes. The engine's are tested there. */
const rules = (stop = () => undefined, log = []) => {
  const turn = (state, outcomes) => {
    log.push(outcomes);
    const next = Math.min(state.texts, state.next + state.batch);
    const texts = Array.from({ length: next - state.next }, (_, i) => state.next + i);
    const step = stop(outcomes) ?? (texts.length === 0 ? 'done' : { ask: { texts, delay_ms: 0 } });
    return { state: { ...state, next }, step };
  };
  return {
    start: async (texts, batch) => turn({ texts, batch, next: 0 }, []),
    advance: async (state, outcomes) => turn(state, outcomes),
  };
};
/** Stops at the first text without an answer. */
const stopping = (kind) => (outcomes) => {
  const outcome = outcomes.find(({ answered }) => !answered);
  return outcome && { stop: { kind, reason: outcome.reason, ...(outcome.detail && { detail: outcome.detail }) } };
};
const nobody = () => Promise.reject(new Error('nobody was to be asked'));
const kind = (expected, words) => (error) => error.kind === expected && words.test(error.message);

test('texts without a label are asked about once, and known ones are not', async () => {
  const asked = [];
  const done = [];
  const texts = [{ text: 'given', label: 'ham' }, ...TEXTS, TEXTS[3]];
  const labelled = [{ text: 'text 0', label: 'spam', labelled_by: 'another' }];
  const consult = async (lot) => (asked.push(...lot), lot.map(() => remote('spam')));
  const { examples, labels } = await label(texts, labelled, consult, (count) => done.push(count), rules());
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
  const again = await label(texts, labelled, nobody, () => undefined, rules());
  assert.deepEqual(again, { examples, labels });
});

test('texts without an answer are left out and counted', async () => {
  const consult = async (lot) => lot.map((text) => (text === 'text 5' ? local('remote-refused') : remote('ham')));
  const { examples, labels } = await label(TEXTS, [], consult, () => undefined, rules());
  assert.deepEqual([examples.length, labels.asked, labels.unanswered], [19, 19, 1]);
});

test('a cap ends the labelling, and the answers so far are stored', async () => {
  const labelled = [];
  let left = 11;
  const consult = async (lot) =>
    lot.map(() => (left-- > 0 ? remote('ham') : local('usd-per-day', 'the cap on money a day is reached')));
  await assert.rejects(
    label(TEXTS, labelled, consult, () => undefined, rules(stopping('budget-exhausted'))),
    kind('budget-exhausted', /cap on money a day.* 11 texts/),
  );
  assert.equal(labelled.length, 11);
  left = 9;
  const { labels } = await label(TEXTS, labelled, consult, () => undefined, rules());
  assert.deepEqual([labels.asked, left], [20, 0]);
});

test('the error of a stop has the kind that the rules give it', async () => {
  for (const [expected, reason] of [
    ['budget-exhausted', 'joules-per-day'],
    ['remote', 'remote-unreachable'],
  ]) {
    let lots = 0;
    const consult = async (lot) => (lots++, lot.map(() => local(reason)));
    await assert.rejects(
      label(TEXTS, [], consult, () => undefined, rules(stopping(expected))),
      kind(expected, new RegExp(reason)),
    );
    assert.equal(lots, 1, reason);
  }
});

test('the rules get the outcome of each text', async () => {
  const log = [];
  const consult = async (lot) => lot.map((text) => (text === 'text 1' ? local('too-long', 'why') : remote('ham')));
  await label(TEXTS.slice(0, 3), [], consult, () => undefined, rules(undefined, log));
  assert.deepEqual(log, [
    [],
    [
      { answered: true, reason: 'unsure' },
      { answered: false, reason: 'too-long', detail: 'why' },
      { answered: true, reason: 'unsure' },
    ],
  ]);
});

test('an abort ends the pause before a batch', async () => {
  const wait = { state: {}, step: { ask: { texts: [0], delay_ms: 60_000 } } };
  const controller = new AbortController();
  const labelling = label(TEXTS, [], nobody, () => undefined, { start: async () => wait }, controller.signal);
  setTimeout(() => controller.abort(), 5);
  await assert.rejects(labelling, { kind: 'cancelled' });
});

test('a failure in the middle leaves the answers before it', async () => {
  const labelled = [];
  let lots = 0;
  const consult = async (lot) => (lots++ > 0 ? Promise.reject(new Error('aborted')) : lot.map(() => remote('ham')));
  await assert.rejects(
    label(TEXTS, labelled, consult, () => undefined, rules()),
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
  await label([{ text }], labelled, consult, () => undefined, rules());
  assert.deepEqual(labelled, [{ text, entities, labelled_by: 'general' }]);
});

test('a record is a right answer, and a remote one is kept as one', async () => {
  const record = { total: 12 };
  assert.deepEqual(truthOf({ text: 'a', record }), { value: record, fields: [] });
  const labelled = [];
  const consult = async () => [{ ...remote(), output: { value: record, fields: [{ pointer: '/total' }] } }];
  await label([{ text: 'a' }], labelled, consult, () => undefined, rules());
  assert.deepEqual(labelled, [{ text: 'a', record, labelled_by: 'general' }]);
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
    [{ text: 'a', record: 'b' }],
    [{ text: 'a', record: null }],
    [{ text: 'a', record: {}, label: 'ham' }],
  ]) {
    assert.throws(() => checkExamples(wrong), kind('invalid-input', /xample/), JSON.stringify(wrong));
  }
  assert.equal(checkExamples([{ text: 'a' }, { text: 'a', entities: [entity] }]).length, 2);
});
