// Tasks: what their calls become, and the shapes of their results.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TASKS } from '../modules/tasks/index.js';

const shape = (task, output, many, top_k) => TASKS[task].shape(output, many, { top_k });

test('results for texts have the shapes of transformers.js', () => {
  const one = [[{ label: 'a', score: 1 }]];
  const two = [[{ label: 'a', score: 1 }], [{ label: 'b', score: 1 }]];
  assert.deepEqual(shape('text-classification', one, false, 1), [{ label: 'a', score: 1 }]);
  assert.deepEqual(shape('text-classification', two, true, 1), [
    { label: 'a', score: 1 },
    { label: 'b', score: 1 },
  ]);
  assert.deepEqual(shape('text-classification', one, false, null), one[0]);
  assert.deepEqual(shape('text-classification', two, true, 2), two);
  assert.deepEqual(shape('summarization', [{ summary_text: 'a' }], false), [{ summary_text: 'a' }]);
  assert.deepEqual(shape('token-classification', [[]], false), []);
  assert.deepEqual(shape('token-classification', [[], []], true), [[], []]);
  assert.deepEqual(shape('zero-shot-classification', [{ sequence: 's' }], false), { sequence: 's' });
  const tensor = shape('feature-extraction', { dims: [1, 2], data: Float32Array.of(1, 2) }, false);
  assert.deepEqual(tensor, { type: 'float32', dims: [1, 2], data: Float32Array.of(1, 2) });
});

test('results for files, sound and images have the shapes of transformers.js', () => {
  const file = {
    label: 'txt',
    score: 0.4,
    is_text: true,
    labels: [
      { label: 'c', score: 0.4 },
      { label: 'cpp', score: 0.3 },
    ],
  };
  assert.deepEqual(shape('file-classification', [file], false, 1), [{ label: 'txt', score: 0.4 }]);
  assert.deepEqual(shape('file-classification', [file, file], true, 1), Array(2).fill({ label: 'txt', score: 0.4 }));
  assert.deepEqual(shape('file-classification', [file], false, 2), file.labels);
  assert.deepEqual(shape('file-classification', [file], true, null), [file.labels]);
  const text = { generated_text: 'a', lines: [] };
  assert.deepEqual(shape('image-to-text', [text], false), [text]);
  assert.deepEqual(shape('image-to-text', [text, text], true), [[text], [text]]);
  const speech = [{ start: 0, end: 1, confidence: 0.9 }];
  assert.deepEqual(shape('voice-activity-detection', [speech], false), speech);
  assert.deepEqual(shape('voice-activity-detection', [speech], true), [speech]);
});

test('the labels of zero-shot-classification may come before the options or in them', () => {
  const { options } = TASKS['zero-shot-classification'];
  assert.deepEqual(options('a', { multi_label: true }), { multi_label: true, candidate_labels: ['a'] });
  assert.deepEqual(options(['a', 'b']), { candidate_labels: ['a', 'b'] });
  const given = { candidate_labels: ['a'] };
  assert.equal(options(given), given);
  assert.throws(() => options(['a', 1]), { kind: 'invalid-input' });
});

test('classification gives one label by default', () => {
  const defaults = Object.entries(TASKS).map(([task, { defaults }]) => [task, defaults]);
  const one = defaults.filter(([, options]) => options !== undefined);
  assert.deepEqual(Object.fromEntries(one), {
    'text-classification': { top_k: 1 },
    'file-classification': { top_k: 1 },
  });
});
