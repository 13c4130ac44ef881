// `text-generation` and OpenAI's interface with SmolLM2: the texts of llama.cpp, streams, aborts, disposal, and cached tokens.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { typed } from './assertions.mjs';
import { goldenJson } from './golden.mjs';
import { LIMIT, MINILM, openBrowser, SMOLLM2 } from './package-page.mjs';

const CODER = '/models/qwen2.5-coder-0.5b-instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf';
const GOLDEN = goldenJson('generation/smollm2.json');
const [PROMPT] = GOLDEN.prompts;
const [CHAT] = GOLDEN.conversations;
const CHATS = GOLDEN.conversations.map(({ messages, ...rest }) => ({ input: messages, ...rest }));

describe('text-generation', LIMIT, () => {
  let opened;
  let page;
  before(async () => {
    opened = await openBrowser({ webgpu: 'none' });
    page = await opened.page();
    await page.evaluate(async (model) => {
      globalThis.generate = await pipeline('text-generation', model);
      globalThis.client = await pilot.openai(model, { device: 'wasm' });
    }, SMOLLM2);
  });
  after(() => opened?.close());

  test('prompts and conversations have the tokens of llama.cpp', async () => {
    const inputs = [
      ...GOLDEN.prompts.map(({ prompt }) => prompt),
      ...GOLDEN.conversations.map(({ messages }) => messages),
    ];
    const ids = await page.evaluate((inputs) => Promise.all(inputs.map((input) => generate.tokens(input))), inputs);
    assert.deepEqual(
      ids,
      [...GOLDEN.prompts, ...GOLDEN.conversations].map(({ ids }) => ids),
    );
  });

  test('a folder as transformers.js has them gives the tokens of onnxruntime', async () => {
    const { text, prompt, greedy } = goldenJson('onnx-decoders/golden.json')['groups-q4'];
    const { reply, dtype, again } = await page.evaluate(
      async ([input, max_new_tokens]) => {
        const generate = await pipeline('text-generation', '/golden/onnx-decoders/groups-q4');
        const options = { max_new_tokens, return_full_text: false };
        const [reply] = await generate(input, options);
        const [again] = await generate(input, options);
        const { dtype } = generate;
        await generate.dispose();
        return { reply, dtype, again };
      },
      [text.slice(0, prompt).join(' '), greedy.length],
    );
    // The words of its vocabulary are numbers. The token that ends a text is no part of it.
    const { eos_token_id } = goldenJson('onnx-decoders/groups-q4/config.json');
    assert.equal(greedy.at(-1), eos_token_id);
    assert.equal(reply.generated_text, greedy.slice(0, -1).join(''));
    assert.equal(dtype, 'q4');
    // As the GGUF file says of itself.
    assert.equal(await page.evaluate(() => generate.dtype), 'q4_1');
    assert.equal(again.generated_text, reply.generated_text);
    assert.equal(again.usage.cached_tokens, prompt - 1);
  });

  test('the likeliest tokens give the texts of llama.cpp, as far as it is sure', async () => {
    const cases = [...GOLDEN.prompts.map(({ prompt, ...rest }) => ({ input: prompt, ...rest })), ...CHATS];
    assert.ok(cases.some(({ sure }) => sure.length > 20));
    for (const { input, sure } of cases) {
      const options = { max_new_tokens: GOLDEN.tokens, return_full_text: false };
      const [{ generated_text, usage, confidence }] = await page.evaluate(
        ([input, options]) => generate(input, options),
        [input, options],
      );
      const text = typeof input === 'string' ? generated_text : generated_text.at(-1).content;
      assert.ok(text.startsWith(sure), JSON.stringify([text, sure]));
      assert.ok(usage.completion_tokens <= GOLDEN.tokens && confidence > 0 && confidence <= 1);
    }
  });

  test('messages come back with the reply behind them, in the shape of transformers.js', async () => {
    const [one, several] = await page.evaluate(
      async (chats) => {
        const options = { max_new_tokens: 4 };
        return [await generate(chats[0], options), await generate(chats, options)];
      },
      CHATS.map(({ input }) => input),
    );
    const shape = ([{ generated_text }]) => generated_text.map(({ role, content }) => [role, typeof content]);
    const expected = CHATS.map(({ input }) => [...input.map(({ role }) => [role, 'string']), ['assistant', 'string']]);
    assert.deepEqual(several.map(shape), expected);
    assert.deepEqual(one[0].generated_text, several[0][0].generated_text);
    assert.ok(CHAT.text.startsWith(one[0].generated_text.at(-1).content));
    const begun = [...CHAT.messages, { role: 'assistant', content: 'The capital of Japan is' }];
    const [{ generated_text }] = await page.evaluate(
      (messages) => generate(messages, { max_new_tokens: 2, continue_final_message: true }),
      begun,
    );
    assert.deepEqual(generated_text, [...CHAT.messages, { role: 'assistant', content: CHAT.text }]);
  });

  test('a prompt is before its text by default', async () => {
    const [{ generated_text }] = await page.evaluate(
      (prompt) => generate(prompt, { max_new_tokens: 4 }),
      PROMPT.prompt,
    );
    assert.ok(generated_text.startsWith(PROMPT.prompt + PROMPT.sure), generated_text);
    assert.ok(generated_text.length > PROMPT.prompt.length);
  });

  test('pieces of a stream are the text, and none has half a character', async () => {
    const prompt = 'Here is the word "cat" as 猫, and here are emoji: 🐈🐕🦊🐻';
    const { pieces, result, read, heard, ids } = await page.evaluate(async (prompt) => {
      const options = { max_new_tokens: 24, return_full_text: false, do_sample: true, temperature: 1.5, seed: 3 };
      const pieces = [];
      const heard = [];
      const ids = [];
      const streamer = {
        callback_function: (text) => heard.push(text),
        token_callback_function: (tokens) => ids.push(...tokens.map(Number)),
      };
      const stream = generate.stream(prompt, { ...options, streamer });
      for await (const piece of stream) pieces.push(piece);
      const reader = generate.stream(prompt, options).getReader();
      const read = [];
      for (let part = await reader.read(); !part.done; part = await reader.read()) read.push(part.value);
      return { pieces, result: await stream.result, read, heard, ids };
    }, prompt);
    assert.ok(pieces.length > 5);
    assert.equal(pieces.join(''), result.generated_text);
    assert.deepEqual([read, heard], [pieces, pieces]);
    assert.deepEqual([ids.length, 'tokens' in result], [result.usage.completion_tokens, false]);
    for (const piece of pieces.slice(0, -1)) assert.ok(!/\ufffd|[\ud800-\udbff]$/.test(piece), JSON.stringify(pieces));
  });

  test('an abort is heard in the prompt and between tokens, and the next call works', async () => {
    const outcomes = await page.evaluate(async (prompt) => {
      const times = [];
      const fresh = await generate(prompt, { max_new_tokens: 8 });
      const aborted = async (input, wait) => {
        const controller = new AbortController();
        const running = outcome(generate(input, { max_new_tokens: 2000, signal: controller.signal }));
        await wait();
        const start = performance.now();
        controller.abort();
        const { error } = await running;
        // The worker hears it as well: a short call is answered at once.
        await generate.tokens('after');
        times.push(performance.now() - start);
        return error;
      };
      const long = 'All work and no play makes Jack a dull boy. '.repeat(60);
      const inPrompt = await aborted(long, () => new Promise((resolve) => setTimeout(resolve, 100)));
      let begun;
      const first = new Promise((resolve) => {
        begun = resolve;
      });
      const controller = new AbortController();
      const running = outcome(
        generate('Count: 1, 2, 3,', {
          max_new_tokens: 2000,
          signal: controller.signal,
          streamer: { callback_function: begun },
        }),
      );
      await first;
      controller.abort();
      const inReply = (await running).error;
      return { inPrompt, inReply, fresh, again: await generate(prompt, { max_new_tokens: 8 }), times };
    }, PROMPT.prompt);
    typed(outcomes.inPrompt, 'cancelled');
    typed(outcomes.inReply, 'cancelled');
    assert.equal(outcomes.again[0].generated_text, outcomes.fresh[0].generated_text);
    // The rest of the reply would take minutes.
    for (const ms of outcomes.times) assert.ok(ms < 5000, `${ms} ms`);
  });

  test('leaving the loop ends the reply', async () => {
    const error = await page.evaluate(async () => {
      const stream = generate.stream('Count: 1, 2, 3,', { max_new_tokens: 2000 });
      for await (const _ of stream) break;
      return (await outcome(stream.result)).error;
    });
    typed(error, 'cancelled');
  });

  test('stop texts end a reply and are no part of it; equal seeds give equal texts', async () => {
    const { whole, stopped, a, b, c } = await page.evaluate(async (prompt) => {
      const greedy = async (options) => (await generate(prompt, { return_full_text: false, ...options }))[0];
      const whole = (await greedy({ max_new_tokens: 12 })).generated_text;
      // From the middle of one token to the middle of another.
      const stopped = await greedy({ max_new_tokens: 40, stop: whole.slice(9, 14) });
      const options = { max_new_tokens: 12, do_sample: true, temperature: 1, top_p: 0.95 };
      const sampled = async (seed) => (await greedy({ ...options, seed })).generated_text;
      return { whole, stopped, a: await sampled(1), b: await sampled(1), c: await sampled(2) };
    }, PROMPT.prompt);
    assert.equal(stopped.generated_text, whole.slice(0, whole.indexOf(whole.slice(9, 14))));
    assert.equal(stopped.finish_reason, 'stop');
    assert.equal(a, b);
    assert.notEqual(a, c);
  });

  test('a second turn reads its new tokens alone', async () => {
    const { first, second } = await page.evaluate(async (messages) => {
      const [first] = await generate(messages, { max_new_tokens: 12 });
      const more = [...first.generated_text, { role: 'user', content: 'And of Italy?' }];
      const [second] = await generate(more, { max_new_tokens: 12 });
      return { first, second };
    }, CHAT.messages);
    assert.ok(second.usage.cached_tokens >= first.usage.prompt_tokens, JSON.stringify([first.usage, second.usage]));
    assert.ok(second.usage.cached_tokens < second.usage.prompt_tokens);
  });

  test('calls of another model come between the tokens of a reply', async () => {
    const order = await page.evaluate(async (minilm) => {
      const embed = await pipeline('feature-extraction', minilm);
      const order = [];
      const reply = generate('Once upon a time', { max_new_tokens: 40 }).then(() => order.push('reply'));
      const vectors = embed(['one', 'two']).then(() => order.push('vectors'));
      await Promise.all([reply, vectors]);
      await embed.dispose();
      return order;
    }, MINILM);
    assert.deepEqual(order, ['vectors', 'reply']);
  });

  test('what cannot be is refused', async () => {
    const errors = await page.evaluate(async () => {
      const cases = [
        () => generate('def f():\n    ', { suffix: '\n' }),
        () => generate([{ role: 'user', content: 'x' }], { suffix: 'y' }),
        () => generate('x', { tools: [{}] }),
        () => generate(''),
        () => generate('x', { max_new_tokens: 0 }),
        () => generate('x', { temprature: 1 }),
        () => generate('x', { top_p: 2 }),
        () => generate(42),
        () => generate([[]]),
        () => generate('word '.repeat(9000)),
      ];
      return Promise.all(cases.map(async (call) => (await outcome(Promise.resolve().then(call))).error));
    });
    typed(errors[0], 'unsupported');
    for (const error of errors.slice(1)) typed(error, 'invalid-input');
  });

  openAI(() => page);

  test('disposal ends the replies that are being generated', async () => {
    const { error, later } = await page.evaluate(async () => {
      const controller = new AbortController();
      let begun;
      const first = new Promise((resolve) => {
        begun = resolve;
      });
      const options = { max_new_tokens: 2000, signal: controller.signal, streamer: { callback_function: begun } };
      const running = outcome(generate('Count: 1, 2, 3,', options));
      await first;
      await generate.dispose();
      return { error: (await running).error, later: (await outcome(generate('x'))).error };
    });
    typed(error, 'cancelled');
    typed(later, 'invalid-input');
  });
});

test('replies in place, and what aborted ones leave in memory', LIMIT, async () => {
  const opened = await openBrowser({ webgpu: 'none' });
  try {
    const page = await opened.page({ worker: false });
    const { text, bytes } = await page.evaluate(
      async ([model, prompt]) => {
        Object.assign(pilot.env, { numThreads: 1, useBrowserCache: false });
        const bytes = {};
        // Nothing lets the event loop run between the calls: nothing that an abort leaves may wait for that.
        const abortAll = async (what, { device }, call) => {
          const { instance } = await import(`/pilot-light/wasm/${device.build}/pilot_light.js`);
          bytes[what] = [];
          for (let i = 0; i < 24; i += 1) {
            const controller = new AbortController();
            const { error } = await outcome(call(controller));
            if (error?.kind !== 'cancelled') throw new Error(`${what}: ${error?.message}`);
            bytes[what].push(instance()[1].buffer.byteLength);
          }
        };
        const text = 'Count: 1, 2, 3,'.repeat(9);
        const generate = await pipeline('text-generation', model);
        await abortAll('after a piece', generate, (controller) =>
          generate(text, { signal: controller.signal, streamer: { callback_function: () => controller.abort() } }),
        );
        const [{ generated_text }] = await generate(prompt, { max_new_tokens: 4 });
        await generate.dispose();
        // The engine lets the event loop run through a channel that it opens: that is when other calls are aborted.
        let aborted;
        globalThis.MessageChannel = class extends MessageChannel {
          constructor() {
            super();
            aborted?.abort();
          }
        };
        const schema = { type: 'object', properties: { sum: { type: 'string' } }, required: ['sum'] };
        const tasks = { 'text-generation': {}, summarization: {}, 'information-extraction': { schema } };
        for (const [task, options] of Object.entries(tasks)) {
          aborted = undefined;
          const loaded = await pipeline(task, model);
          await abortAll(task, loaded, (controller) => {
            aborted = controller;
            return loaded(text, { ...options, signal: controller.signal });
          });
          await loaded.dispose();
        }
        return { text: generated_text, bytes };
      },
      [SMOLLM2, PROMPT.prompt],
    );
    assert.ok(text.startsWith(PROMPT.prompt + PROMPT.sure), text);
    for (const [what, each] of Object.entries(bytes))
      assert.equal(each.at(-1), each[2], `${what}: bytes after each: ${each.join(' ')}`);
  } finally {
    await opened.close();
  }
});

test('a model of code fills gaps', LIMIT, async () => {
  const opened = await openBrowser({ webgpu: 'none' });
  try {
    const page = await opened.page();
    const { infills, tokens } = goldenJson('generation/qwen2.5-coder.json');
    const found = await page.evaluate(
      async ([model, infills, max_new_tokens]) => {
        pilot.env.useBrowserCache = false;
        const generate = await pipeline('text-generation', model);
        const found = [];
        for (const { prefix, suffix } of infills) {
          const [{ generated_text: text }] = await generate(prefix, { suffix, max_new_tokens });
          found.push({ ids: await generate.tokens(prefix, { suffix }), text });
        }
        return found;
      },
      [CODER, infills, tokens],
    );
    for (const [i, { ids, sure }] of infills.entries()) {
      assert.deepEqual(found[i].ids, ids);
      assert.ok(found[i].text.startsWith(sure), JSON.stringify([found[i].text, sure]));
    }
  } finally {
    await opened.close();
  }
});

function openAI(page) {
  const create = (params) => page().evaluate((params) => client.chat.completions.create(params), params);
  const chunksOf = (params) =>
    page().evaluate(async (params) => {
      const chunks = [];
      for await (const chunk of await client.chat.completions.create({ ...params, stream: true })) chunks.push(chunk);
      return chunks;
    }, params);
  const GREEDY = { messages: CHAT.messages, temperature: 0 };

  test('a chat completion has the shape of OpenAI', async () => {
    const reply = await create({ ...GREEDY, logprobs: true, top_logprobs: 2 });
    const { id, object, created, model, choices, usage } = reply;
    assert.match(id, /^chatcmpl-\w+$/);
    assert.ok(Math.abs(created - Date.now() / 1000) < 3600);
    assert.deepEqual([object, model, choices.length], ['chat.completion', SMOLLM2, 1]);
    const [{ index, message, logprobs, finish_reason }] = choices;
    assert.deepEqual(
      [index, message, finish_reason],
      [0, { role: 'assistant', content: CHAT.text, refusal: null }, 'stop'],
    );
    assert.equal(logprobs.content.map(({ token }) => token).join(''), CHAT.text);
    for (const { token, logprob, bytes, top_logprobs } of logprobs.content) {
      assert.equal(Buffer.from(bytes).toString(), token);
      assert.deepEqual(top_logprobs[0], { token, logprob, bytes });
      assert.equal(top_logprobs.length, 2);
    }
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
    assert.equal(usage.prompt_tokens, CHAT.ids.length);
    assert.equal(usage.prompt_tokens_details.cached_tokens, 0);
  });

  test('chunks end with the reason by itself, and then the usage', async () => {
    const chunks = await chunksOf({ ...GREEDY, stream_options: { include_usage: true } });
    const last = chunks.pop();
    assert.deepEqual([last.choices, last.usage.prompt_tokens], [[], CHAT.ids.length]);
    assert.equal(last.usage.prompt_tokens_details.cached_tokens, CHAT.ids.length - 1);
    const choices = chunks.map(({ choices: [choice] }) => choice);
    assert.deepEqual(choices[0].delta, { role: 'assistant', content: '' });
    assert.deepEqual([choices.at(-1).delta, choices.at(-1).finish_reason], [{}, 'stop']);
    for (const { finish_reason } of choices.slice(0, -1)) assert.equal(finish_reason, null);
    assert.equal(choices.map(({ delta }) => delta.content ?? '').join(''), CHAT.text);
    for (const { object, usage } of chunks) assert.deepEqual([object, usage], ['chat.completion.chunk', null]);
  });

  test('several replies, limits and stop texts', async () => {
    const reply = await create({ messages: CHAT.messages, n: 2, seed: 5, max_completion_tokens: 3 });
    assert.deepEqual(
      reply.choices.map(({ index, finish_reason }) => [index, finish_reason]),
      [
        [0, 'length'],
        [1, 'length'],
      ],
    );
    assert.equal(reply.usage.completion_tokens, 6);
    const stopped = await create({ ...GREEDY, stop: [' Tokyo'] });
    assert.equal(stopped.choices[0].message.content, CHAT.text.slice(0, CHAT.text.indexOf(' Tokyo')));
  });

  test('completions continue prompts', async () => {
    const { whole, parts } = await page().evaluate(async (prompt) => {
      const params = { prompt, temperature: 0, max_tokens: 6, logprobs: 1, echo: true };
      const whole = await client.completions.create(params);
      const parts = [];
      for await (const part of await client.completions.create({ ...params, stream: true })) parts.push(part);
      return { whole, parts };
    }, PROMPT.prompt);
    const [{ text, logprobs, finish_reason }] = whole.choices;
    assert.ok(text.startsWith(PROMPT.prompt) && text.length > PROMPT.prompt.length);
    assert.ok(text.startsWith(PROMPT.prompt + PROMPT.sure), text);
    assert.deepEqual([whole.object, finish_reason, logprobs.tokens.length], ['text_completion', 'length', 6]);
    for (const [i, token] of logprobs.tokens.entries())
      assert.equal(text.slice(logprobs.text_offset[i]).startsWith(token), true);
    assert.equal(parts.map(({ choices }) => choices[0].text).join(''), text);
  });

  test('a reply under a JSON schema is valid within any limit', async () => {
    const { replies, refused } = await page().evaluate(async (messages) => {
      const schema = {
        type: 'object',
        properties: { topic: { type: 'string' }, words: { type: 'array', items: { type: 'string' } } },
        required: ['topic', 'words'],
        additionalProperties: false,
      };
      const response_format = { type: 'json_schema', json_schema: { name: 'topic', schema } };
      const create = (max_tokens) => client.chat.completions.create({ messages, response_format, max_tokens });
      const replies = [];
      for (const limit of [14, 24, 80]) replies.push((await create(limit)).choices[0].message.content);
      return { replies, refused: (await outcome(create(2))).error };
    }, CHAT.messages);
    for (const reply of replies) assert.deepEqual(Object.keys(JSON.parse(reply)), ['topic', 'words'], reply);
    typed(refused, 'invalid-input');
  });

  test('what is not supported is refused, and a stream can be aborted', async () => {
    const { format, choice, unknown, aborted } = await page().evaluate(async (messages) => {
      const create = (params) => outcome(client.chat.completions.create({ messages, ...params }));
      const stream = await client.chat.completions.create({ messages, stream: true });
      stream.controller.abort();
      const drained = (async () => {
        for await (const _ of stream);
      })();
      return {
        format: (await create({ response_format: { type: 'json_schema' } })).error,
        choice: (await create({ tool_choice: 'required' })).error,
        unknown: (await create({ logit_bias: {} })).error,
        aborted: (await outcome(drained)).error,
      };
    }, CHAT.messages);
    typed(format, 'invalid-input');
    typed(choice, 'unsupported');
    typed(unknown, 'invalid-input');
    typed(aborted, 'cancelled');
  });
}

describe('summaries and long prompts', LIMIT, () => {
  let opened;
  let page;
  before(async () => {
    opened = await openBrowser({ webgpu: 'none' });
    page = await opened.page();
  });
  after(() => opened?.close());

  const text = [
    'The old bridge over the river was closed in 2019. 🚲 Cyclists had to take a long detour over the road.',
    'The town decided to build a new bridge for cyclists and people on foot. It rained.',
    'The new bridge over the river will be opened by Maria Kowalski in May.',
  ].join(' ');

  test('an embedder chooses sentences, and says where they are', async () => {
    const [summary] = await page.evaluate(
      async ([model, text]) => {
        const summarize = await pipeline('summarization', model);
        const summaries = await summarize(text, { length: 'medium' });
        await summarize.dispose();
        return summaries;
      },
      [MINILM, text],
    );
    assert.equal(summary.method, 'extractive');
    assert.equal(summary.sentences.length, 3);
    assert.equal(summary.summary_text, summary.sentences.map(({ start, end }) => text.slice(start, end)).join(' '));
    assert.ok(!summary.summary_text.includes('It rained'));
    assert.deepEqual(summary.coverage, [{ start: 0, end: text.length }]);
    assert.deepEqual(summary.unsupported, []);
  });

  test('a decoder summarises in its own words, and says what is not in the text', async () => {
    const [summary] = await page.evaluate(
      async ([model, text]) => {
        const summarize = await pipeline('summarization', model);
        const summaries = await summarize([text], { length: 'short', max_new_tokens: 60 });
        await summarize.dispose();
        return summaries;
      },
      [SMOLLM2, text],
    );
    assert.equal(summary.method, 'abstractive');
    assert.ok(summary.summary_text.length > 20, summary.summary_text);
    assert.deepEqual(summary.coverage, [{ start: 0, end: text.length }]);
    for (const { words, sentence, dropped } of summary.unsupported) {
      assert.ok(words.length > 0 && dropped !== summary.summary_text.includes(sentence));
    }
    assert.ok(summary.usage.completion_tokens <= 60);
  });

  test('the stream of a summary is the summary, sentence by sentence', async () => {
    const { pieces, streamed, whole, refused, left } = await page.evaluate(
      async ([model, text]) => {
        const summarize = await pipeline('summarization', model);
        const options = { length: 'long', max_new_tokens: 120 };
        const [whole] = await summarize(text, options);
        const stream = summarize.stream(text, options);
        const pieces = [];
        for await (const piece of stream) pieces.push(piece);
        const refused = await outcome((async () => summarize.stream([text], options))());
        const abandoned = summarize.stream(text, options);
        // Before its first piece: later it could have ended by itself.
        await abandoned.cancel();
        const left = await outcome(abandoned.result);
        await summarize.dispose();
        return { pieces, streamed: await stream.result, whole, refused, left };
      },
      [SMOLLM2, text],
    );
    assert.deepEqual(streamed.summary_text, whole.summary_text);
    assert.equal(pieces.join(''), whole.summary_text);
    assert.ok(pieces.length > 1, JSON.stringify(pieces));
    typed(refused.error, 'invalid-input');
    typed(left.error, 'cancelled');
  });

  test('the oldest turns of a conversation that is too long are left out', async () => {
    const result = await page.evaluate(async (model) => {
      const generate = await pipeline('text-generation', model);
      const long = { role: 'user', content: 'word '.repeat(9000) };
      const messages = [long, { role: 'assistant', content: 'Yes.' }, { role: 'user', content: 'Say one word.' }];
      const options = { max_new_tokens: 4, overflow: 'drop-oldest-turns' };
      const [{ dropped, usage }] = await generate(messages, options);
      const question = await generate([long], options).catch(({ kind }) => kind);
      await generate.dispose();
      return { dropped, usage, question };
    }, SMOLLM2);
    assert.equal(result.dropped.turns, 1);
    assert.ok(result.dropped.tokens > 9000 && result.usage.prompt_tokens < 100, JSON.stringify(result));
    assert.equal(result.question, 'invalid-input');
  });
});
