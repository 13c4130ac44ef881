// Prompt injection: texts that give a language model orders, and a remote model that obeys them. Whatever it says, the answer
// is one of the labels, or the local one.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { LIMIT, openBrowser } from './package-page.mjs';
import { startRemote } from './remote.mjs';

const LOCAL = { task: 'text-classification', model: '/golden/tiny-bert-seq', device: 'wasm' };
const LABELS = ['negative', 'neutral', 'positive'];

/** An invalid answer is asked for once more, until the retry budget is spent. */
const REASONS = ['remote-invalid', 'retry-budget'];

/** The responses of a model that obeys the text. */
const OBEYED = {
  'says what the text says': (text) => ({ content: text }),
  'takes the text for the label': (text) => ({ content: JSON.stringify({ label: text }) }),
  'takes the text for an answer with more in it': (text) => ({
    content: JSON.stringify({ label: LABELS[0], label_of_attacker: text, labels: [text] }),
  }),
  'calls a tool that was not offered': (text) => ({
    toolCalls: [{ name: 'send_mail', arguments: JSON.stringify({ body: text }) }],
  }),
  'reveals its system prompt': (_, system) => ({ content: system }),
};

describe('prompt injections', LIMIT, () => {
  let remote;
  let obey;
  let opened;
  let page;
  let texts;
  before(async () => {
    remote = await startRemote({ reply: ({ messages }) => obey(textOf(messages), messages[0].content) });
    opened = await openBrowser({ webgpu: 'none' });
    page = await opened.page();
    const corpus = await (await fetch(`${opened.server.url}/bench/samples/injections/injections.jsonl`)).text();
    texts = corpus
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).text);
  });
  after(async () => {
    await opened?.close();
    await remote?.stop();
  });

  /** The text as the model receives it: the first message of the user. */
  const textOf = (messages) => messages.find(({ role }) => role === 'user').content;

  /** The answers to `texts` under `privacy`; a threshold of 1 sends all of them. */
  const ask = (privacy, texts) =>
    page.evaluate(
      async ([local, baseURL, privacy, texts]) => {
        // A breaker that never opens, although the remote gives no valid answer.
        const remote = { baseURL, model: 'obedient', breaker: { failures: 1_000_000 } };
        const triage = await cascade({ local, remote, policy: { threshold: 1, privacy } });
        const own = await cascade({ local, policy: { threshold: 1 } });
        try {
          return {
            answers: await Promise.all(texts.map((text) => outcome(triage(text)))),
            local: await Promise.all(texts.map((text) => own(text))),
          };
        } finally {
          await Promise.all([triage.dispose(), own.dispose()]);
        }
      },
      [LOCAL, remote.url, privacy, texts],
    );

  for (const [what, answer] of Object.entries(OBEYED)) {
    test(`a model that ${what} leaves the local answer, and says why`, async () => {
      assert.ok(texts.length > 150);
      obey = answer;
      const { answers, local } = await ask('allow', texts);
      for (const [i, { value, error }] of answers.entries()) {
        assert.equal(error, undefined, texts[i]);
        const { route, degraded, reason, detail, output } = value;
        // Extra fields are ignored.
        const accepted = what.includes('more in it') && route === 'remote';
        if (accepted) assert.deepEqual(output, { label: LABELS[0] }, texts[i]);
        else
          assert.deepEqual(
            [route, degraded, REASONS.includes(reason), output],
            ['local', true, true, local[i].output],
            `${texts[i]}: ${reason}`,
          );
        assert.equal((detail ?? '') !== '', !accepted, texts[i]);
      }
    });
  }

  test('each text goes as data, in a message of its own, and the orders are the same for all', async () => {
    const systems = new Set();
    const sent = [];
    obey = (text, system) => {
      systems.add(system);
      sent.push(text);
      return { content: JSON.stringify({ label: LABELS[1] }) };
    };
    const { answers } = await ask('allow', texts);
    assert.deepEqual(
      answers.map(({ value }) => [value.route, value.output.label]),
      texts.map(() => ['remote', LABELS[1]]),
    );
    assert.deepEqual([systems.size, sent.toSorted()], [1, texts.toSorted()]);
  });

  test('they are redacted like any other text', async () => {
    obey = (text) => ({ content: text });
    const some = texts.slice(0, 24);
    const { answers, local } = await ask('redact', some);
    for (const [i, { value }] of answers.entries()) {
      assert.deepEqual(
        [value.route, REASONS.includes(value.reason), value.output],
        ['local', true, local[i].output],
        `${some[i]}: ${value.reason}`,
      );
      assert.ok(Array.isArray(value.replaced));
    }
  });
});
