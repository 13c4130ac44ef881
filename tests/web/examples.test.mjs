// The single-file pages of `examples/`, opened from the development server as a user opens them.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { visit } from './documents.mjs';
import { LIMIT, openBrowser } from './package-page.mjs';

const PAGES = ['cascade.html', 'classify.html', 'embed.html', 'redact.html', 'run-onnx.html'];

describe('the example', LIMIT, () => {
  let opened;
  before(async () => {
    opened = await openBrowser({ webgpu: 'none' });
  });
  after(() => opened?.close());

  /** What the page shows, and what it sent. */
  async function open(page) {
    const output = () => document.querySelector('#output')?.value;
    const { value, requests } = await visit(opened, `/examples/${page}`, output, LIMIT);
    return { shown: value, sent: requests.map(({ messages }) => messages.at(-1).content) };
  }

  test('of every page is tested', () => {
    const there = readdirSync(new URL('../../examples/', import.meta.url)).filter((file) => file.endsWith('.html'));
    assert.deepEqual(there.sort(), PAGES);
  });

  test('embed shows the cosine of two sentences', async () => {
    const { shown, sent } = await open('embed.html');
    const [, cosine] = /^cosine (\d\.\d{3})$/.exec(shown) ?? assert.fail(shown);
    assert.ok(Number(cosine) > 0.5 && Number(cosine) < 1, cosine);
    assert.deepEqual(sent, []);
  });

  test('classify shows the labels, the likeliest first', async () => {
    const { shown, sent } = await open('classify.html');
    assert.match(shown, /^0\.[5-9]\d{3} positive\n0\.[0-4]\d{3} negative$/);
    assert.deepEqual(sent, []);
  });

  test('run-onnx shows a truth table', async () => {
    const { shown } = await open('run-onnx.html');
    assert.deepEqual(shown.split('\n'), [
      'input x: float32 [rows, 2]',
      '0 xor 0 = 0',
      '0 xor 1 = 1',
      '1 xor 0 = 1',
      '1 xor 1 = 0',
    ]);
  });

  test('redact shows what is sent, without personal data', async () => {
    const { shown, sent } = await open('redact.html');
    const [first, second, ...replaced] = shown.split('\n');
    assert.equal(first, `sent: ${sent}`);
    assert.equal(second, 'answered: remote, unsure');
    assert.match(first, /\[EMAIL_1\].*\[PHONE_1\]/);
    for (const value of ['Jane', 'Doe', 'example.org', '555']) assert.ok(!sent[0].includes(value), first);
    assert.ok(replaced.includes('replaced: EMAIL, values: 1, places: 1'), shown);
  });

  test('cascade shows where the answer came from and why', async () => {
    const { shown, sent } = await open('cascade.html');
    const [answer, ...explained] = shown.split('\n');
    const [, route] =
      /^(?:ham|spam) \((local|remote), (?:confident|unsure); confidence [01]\.\d{4}\)$/.exec(answer) ??
      assert.fail(answer);
    assert.equal(sent.length, route === 'local' ? 0 : 1);
    assert.match(explained.join('\n'), /^\nLocal model 0: /);
  });
});
