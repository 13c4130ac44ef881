// What a cascade has learnt and what is stored of it, over a fake database; and training between questions.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readLearn } from '../modules/cascade/learning.js';
import { LearningSync } from '../modules/worker/learning-sync.js';
import { Training } from '../modules/worker/training.js';

const NOW = (work) => work();

/** A cascade whose state is the bytes of its labels. */
function fakeCascade(labels = []) {
  const known = [];
  return {
    known,
    // What is 100 or more is not kept any more.
    async learn(state) {
      if (state?.[0] === 255) throw Object.assign(new Error('of another version'), { kind: 'invalid-artefact' });
      known.splice(0, known.length, ...(state ?? []).filter((one) => one < 100));
      return known.length < (state?.length ?? 0);
    },
    learningState: () => Uint8Array.from(known),
    giveLabel: ([label]) => {
      if (label === 254) throw Object.assign(new Error('of another encoder'), { kind: 'invalid-input' });
      known.push(label);
    },
    // One that comes to this one is learnt as it comes.
    takeLabels() {
      const taken = labels.splice(0);
      known.push(...taken);
      return taken.map((label) => Uint8Array.of(label));
    },
  };
}

/** A database of one name. */
function fakeStore(bytes, labels = []) {
  const kept = new Map(labels.map((label, i) => [-1 - i, Uint8Array.of(label)]));
  const stored = { bytes, labels: kept, broken: false, cleared: false };
  let last = 0;
  const step =
    (work) =>
    async (/** @type {unknown[]} */ ...args) => {
      if (stored.broken) throw new Error('no room');
      return work(...args);
    };
  const read = step(() => {
    const { bytes, labels, cleared } = stored;
    stored.cleared = false;
    return { bytes, keys: [...labels.keys()], labels: [...labels.values()], cleared };
  });
  return {
    stored,
    read,
    own: read,
    add: step(
      (labels) =>
        !stored.cleared &&
        labels.map((label) => {
          stored.labels.set(++last, label);
          return last;
        }),
    ),
    save: step((bytes, keys) => {
      if (stored.taken) return false;
      stored.bytes = bytes;
      for (const key of keys) stored.labels.delete(key);
      return true;
    }),
    clear: step(() => {
      stored.bytes = undefined;
      stored.labels.clear();
    }),
  };
}

function syncOf(store, { leads = true, labels = [] } = {}) {
  const said = [];
  const leadership = { leads, say: (word) => said.push(word), lost: () => said.push('lost') };
  const cascade = fakeCascade(labels);
  return { sync: new LearningSync(cascade, store, leadership), cascade, said };
}

test('labels of this one and of others are learnt once, and stored with the state that has them', async () => {
  const store = fakeStore(Uint8Array.of(1), [2]);
  const coming = [3];
  const { sync, cascade, said } = syncOf(store, { labels: coming });
  await sync.begin(true, NOW);
  assert.deepEqual(cascade.known, [1, 2]);
  assert.ok(sync.take());
  await sync.storeLabels();
  await store.add([Uint8Array.of(4)]);
  await sync.hearLabels();
  await sync.hearLabels();
  assert.deepEqual([cascade.known, store.stored.labels.size], [[1, 2, 3, 4], 3]);
  // One that comes in the middle is in the state, and not stored a second time.
  coming.push(5);
  sync.take();
  await sync.save();
  assert.deepEqual([[...store.stored.bytes], store.stored.labels.size, sync.dirty], [[1, 2, 3, 4, 5], 0, false]);
  assert.deepEqual(said, ['labels', 'labels', 'state']);
  const { sync: next, cascade: again } = syncOf(store);
  await next.begin(true, NOW);
  assert.deepEqual(again.known, [1, 2, 3, 4, 5]);
});

test('what is no longer kept of a state leaves the database at once', async () => {
  for (const leads of [true, false]) {
    const store = fakeStore(Uint8Array.of(1, 100), [2]);
    const { sync, said } = syncOf(store, { leads });
    await sync.begin(leads, NOW);
    const left = leads ? [[1, 2], 0, ['state']] : [[1, 100], 1, []];
    assert.deepEqual([[...store.stored.bytes], store.stored.labels.size, said], left);
  }
  // What is kept as it is is not stored again.
  const { sync, said } = syncOf(fakeStore(Uint8Array.of(1)));
  await sync.begin(true, NOW);
  assert.deepEqual([sync.dirty, said], [false, []]);
});

test('one that follows leaves its labels to the one that leads', async () => {
  const store = fakeStore(Uint8Array.of(1), [2]);
  const { sync, cascade } = syncOf(store, { leads: false, labels: [3] });
  await sync.begin(false, NOW);
  assert.deepEqual([cascade.known, sync.learns], [[1], false]);
  sync.take();
  await sync.storeLabels();
  assert.equal(store.stored.labels.size, 2);
});

test('a state that is refused stays as it is until it is cleared', async () => {
  const store = fakeStore(Uint8Array.of(255, 7), [2]);
  const { sync, cascade } = syncOf(store, { labels: [3] });
  await sync.begin(true, NOW);
  assert.deepEqual([sync.fault, sync.learns, cascade.known], ['of another version', true, []]);
  sync.take();
  sync.dirty = true;
  await sync.storeLabels();
  await sync.save();
  assert.deepEqual([[...store.stored.bytes], store.stored.labels.size, cascade.known], [[255, 7], 1, [3]]);
  await sync.clear();
  assert.deepEqual([store.stored.bytes, sync.fault, cascade.known], [undefined, undefined, []]);
});

test('a label that is refused stays, and takes no other with it', async () => {
  const store = fakeStore(undefined, [254, 2]);
  const { sync, cascade } = syncOf(store);
  await sync.begin(true, NOW);
  await sync.save();
  assert.deepEqual([cascade.known, [...store.stored.labels.keys()]], [[2], [-1]]);
});

test('labels that were not handed over before all was cleared are dropped', async () => {
  const store = fakeStore(Uint8Array.of(1));
  const coming = [2];
  const { sync, cascade, said } = syncOf(store, { leads: false, labels: coming });
  await sync.begin(false, NOW);
  store.stored.broken = true;
  sync.take();
  await sync.storeLabels();
  // Another tab clears all, and has learnt something since.
  Object.assign(store.stored, { broken: false, cleared: true, bytes: Uint8Array.of(7) });
  await sync.begin(false, NOW);
  await sync.storeLabels();
  assert.deepEqual([cascade.known, store.stored.labels.size], [[7], 0]);
  // Those that come before it has heard of that are dropped as well.
  store.stored.cleared = true;
  coming.push(3);
  sync.take();
  await sync.storeLabels();
  await sync.begin(false, NOW);
  assert.deepEqual([store.stored.labels.size, said], [0, []]);
  coming.push(4);
  sync.take();
  await sync.storeLabels();
  assert.deepEqual(
    [...store.stored.labels.values()].flatMap((label) => [...label]),
    [4],
  );
});

test('one that could not hand over its labels learns them where it leads later', async () => {
  const store = fakeStore(Uint8Array.of(1));
  const { sync, cascade } = syncOf(store, { leads: true, labels: [2] });
  await sync.begin(false, NOW);
  store.stored.broken = true;
  sync.take();
  await sync.storeLabels();
  store.stored.broken = false;
  await sync.begin(true, NOW);
  await sync.save();
  assert.deepEqual([cascade.known, [...store.stored.bytes], store.stored.labels.size], [[1, 2], [1, 2], 0]);
});

test('one that learns for itself goes on when what is stored changes, until it can use that', async () => {
  const store = fakeStore(Uint8Array.of(255));
  const { sync, cascade } = syncOf(store, { leads: false, labels: [3] });
  await sync.begin(false, NOW);
  sync.take();
  store.stored.bytes = Uint8Array.of(255, 1);
  await sync.begin(false, NOW);
  assert.deepEqual([cascade.known, sync.fault, sync.learns], [[3], 'of another version', true]);
  store.stored.broken = true;
  await sync.begin(false, NOW);
  assert.deepEqual([cascade.known, sync.fault], [[3], 'no room']);
  Object.assign(store.stored, { broken: false, bytes: Uint8Array.of(1) });
  await sync.begin(false, NOW);
  assert.deepEqual([cascade.known, sync.fault, sync.learns], [[1], undefined, false]);
  assert.equal(store.stored.labels.size, 1, 'it hands over what it has learnt by itself');
});

test('where nothing can be stored it says why, and stores later', async () => {
  const store = fakeStore(undefined);
  const { sync } = syncOf(store, { labels: [3] });
  await sync.begin(true, NOW);
  store.stored.broken = true;
  sync.take();
  sync.dirty = true;
  await sync.save();
  assert.deepEqual([sync.fault, sync.dirty, store.stored.bytes], ['no room', true, undefined]);
  store.stored.broken = false;
  await sync.save();
  assert.deepEqual([sync.fault, [...store.stored.bytes], store.stored.labels.size], [undefined, [3], 0]);
});

test('one whose state another owns by now stores nothing', async () => {
  const store = fakeStore(undefined);
  const { sync, said } = syncOf(store);
  await sync.begin(true, NOW);
  Object.assign(store.stored, { taken: true });
  sync.dirty = true;
  await sync.save();
  assert.deepEqual([store.stored.bytes, said.at(-1)], [undefined, 'lost']);
});

test('training goes on in pieces of a few milliseconds, between which others come, until there is nothing more', async (t) => {
  const log = [];
  // A million operations take a millisecond; no question was asked for long.
  let now_ms = 1e6;
  t.mock.method(performance, 'now', () => now_ms);
  let left = 6;
  const piece = (operations) => {
    now_ms += operations / 1e6;
    log.push(operations);
    left -= 1;
    return left > 0;
  };
  const exclusive = async (job) => {
    log.push('turn');
    return job();
  };
  const training = new Training({ exclusive }, piece, () => true);
  training.start();
  training.start();
  while (left > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  const pieces = log.filter((one) => one !== 'turn');
  assert.equal(pieces.length, 6);
  assert.equal(log.length, 12);
  assert.deepEqual(pieces, [1e6, 2e6, 4e6, 8e6, 8e6, 8e6]);
});

test("a learner is named by its model and its labels, and its options are the engine's", () => {
  const local = { task: 'feature-extraction', model: '/models/m' };
  const labels = ['a', { label: 'b', description: 'what b is' }];
  const { config, name } = readLearn({ labels, alpha: 0.1 }, local);
  assert.deepEqual(config, {
    labels: [{ label: 'a' }, { label: 'b', description: 'what b is' }],
    encoder: '/models/m',
    options: { alpha: 0.1 },
  });
  assert.notEqual(name, readLearn({ labels: ['a', 'c'] }, local).name);
  assert.equal(readLearn({ labels, name: 'mine' }, local).name, 'mine');
  assert.equal(config.agreement, undefined);
  assert.deepEqual(readLearn({ labels, keep_texts: true }, local).config.options, { keep_texts: true });
  assert.equal(readLearn({ labels, agreement: 'logprobs' }, local).config.agreement, 'logprobs');
  const several = readLearn({ labels, multi_label: true }, local);
  assert.equal(several.config.multi_label, true);
  assert.notEqual(several.name, name, 'what is stored of single labels is of another kind');
  assert.equal(readLearn({ labels, multi_label: false }, local).name, name);
  assert.equal(readLearn(undefined, local), undefined);
  for (const wrong of [
    1,
    null,
    { labels: 'a' },
    { labels: [1] },
    { alfa: 1 },
    { labels, alpha: Number.NaN },
    { name: '' },
    { labels, agreement: 'sure' },
    { labels, keep_texts: 'yes' },
    { labels, multi_label: 1 },
  ])
    assert.throws(() => readLearn(wrong, local), { kind: 'invalid-input' });
  assert.throws(() => readLearn(true, { ...local, task: 'information-extraction' }), { kind: 'invalid-input' });
});
