// Replies that grow: their turns in an engine, the options of a call, streams, and OpenAI's shapes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createChatCompletion } from '../modules/openai/chat.js';
import { chatLogprobs, completionLogprobs } from '../modules/openai/logprobs.js';
import { chatOptions, completionOptions, countOf, UsageSum } from '../modules/openai/params.js';
import { chunkStream } from '../modules/openai/stream.js';
import { InPlaceConnection } from '../modules/page/connection.js';
import { Pieces } from '../modules/page/pieces.js';
import { Supervisor } from '../modules/page/supervisor.js';
import { textStream } from '../modules/page/text-stream.js';
import { recordOptions } from '../modules/tasks/information-extraction.js';
import { readInputs, splitOptions, toGeneration, toPrompt } from '../modules/tasks/text-generation.js';
import { Engine } from '../modules/worker/engine.js';
import { fakeFetch, fakeWasm } from './fake-wasm.mjs';

const FOLDER = { url: 'https://page.example/models/m/', immutable: true };
const LOAD = { generator: { model: 'm', folder: FOLDER, file: 'm.gguf', options: {} }, useBrowserCache: false };

/** A loaded model, whose engine has a GPU where there is an adapter. */
async function generator({ device = 'wasm', adapter = null } = {}) {
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu: { requestAdapter: async () => adapter } },
    configurable: true,
  });
  fakeFetch({ [`${FOLDER.url}m.gguf`]: () => new Response(new Uint8Array(3)) });
  const wasm = fakeWasm();
  const open = async () => ({ wasm, threads: 1 });
  const builds = () => ({ open, stopped: new Set(), features: () => ({ relaxedSimd: false, cores: 1 }) });
  const connect = () => new InPlaceConnection(new Engine(builds()));
  const supervisor = new Supervisor(connect, { device, wasmPaths: {}, cpuBuild: 'auto', numThreads: 0 });
  const model = await supervisor.load(LOAD, {});
  const generate = (prompt, options = {}, rest = {}) =>
    supervisor.request(
      model,
      'generate',
      { prompt: typeof prompt === 'string' ? { text: prompt } : prompt, options },
      rest,
    );
  const ask = (op, args, rest = {}) => supervisor.request(model, op, args, rest);
  return { supervisor, model, generate, ask, log: wasm.log };
}

test('a reply is given in pieces and whole', async () => {
  const { generate } = await generator();
  const pieces = [];
  const { reply } = await generate('one two three', { max_new_tokens: 2 }, { onPiece: (piece) => pieces.push(piece) });
  assert.deepEqual([reply.text, reply.finish_reason], ['one two ', 'length']);
  assert.deepEqual(pieces, [
    { text: 'one ', tokens: [] },
    { text: 'two ', tokens: [] },
  ]);
  pieces.length = 0;
  await generate('one', { logprobs: 1 }, { onPiece: (piece) => pieces.push(piece) });
  assert.deepEqual([pieces[0].tokens[0].id, pieces[0].top_bytes], [3, { 1: [65] }]);
});

test('a chat template is rendered by the engine of the page, and tools of a reply are looked for', async () => {
  const { generate } = await generator();
  const chat = { messages: [{ role: 'user', content: 'hello there' }], tools: [{}] };
  const { reply, parsed } = await generate({ chat });
  assert.deepEqual([reply.text, parsed], ['hello there ', { content: 'hello there ', tool_calls: [] }]);
});

test('two replies take turns, and an abort ends one of them', async () => {
  const { generate, log } = await generator();
  const controller = new AbortController();
  const a = generate('a1 a2 a3 a4', {}, { signal: controller.signal });
  const onPiece = ({ text }) => text === 'b2 ' && controller.abort();
  const b = generate('b1 b2 b3', {}, { onPiece });
  await assert.rejects(a, { kind: 'cancelled', name: 'AbortError' });
  assert.equal((await b).reply.text, 'b1 b2 b3 ');
  const steps = log.filter(([what]) => what === 'step').map(([, word]) => word);
  assert.ok(steps.indexOf('a1') < steps.indexOf('b2') && !steps.includes('a4'), steps.join(' '));
  // What the aborted one has read is kept for the next.
  assert.equal(log.filter(([what]) => what === 'finish').length, 2);
});

test('a reply whose device is lost is begun again, and no piece is given twice', async () => {
  for (const options of [{}, { logprobs: 1 }]) {
    const { generate } = await generator({ device: 'webgpu', adapter: {} });
    const pieces = [];
    const { reply } = await generate('one lose three', options, { onPiece: (piece) => pieces.push(piece) });
    assert.equal(reply.text, 'one lose three ');
    assert.deepEqual(
      pieces.map(({ text }) => text),
      ['one ', 'lose ', 'three '],
    );
    assert.ok(pieces.every(({ tokens }) => tokens.length === (options.logprobs ?? 0)));
  }
  const { generate } = await generator({ device: 'webgpu', adapter: {} });
  assert.equal((await generate('lose it')).reply.text, 'lose it ');
});

test('a reply that becomes another one on another device is refused once a piece of it was given', async () => {
  const { generate } = await generator({ device: 'webgpu', adapter: {} });
  const pieces = [];
  const failing = generate('on device lose it', {}, { onPiece: ({ text }) => pieces.push(text) });
  await assert.rejects(failing, { kind: 'device-lost', retryable: true });
  assert.deepEqual(pieces, ['on ', 'webgpu ']);
});

test('the pieces of a reply that is begun again fit, or are said not to', () => {
  const piece = (text, ...ids) => ({ text, tokens: ids.map((id) => ({ id })) });
  const given = [];
  const pieces = new Pieces((piece) => given.push(piece));
  let differences = 0;
  const first = pieces.begin(() => assert.fail('it is the first'));
  first(piece('one ', 1));
  first(piece('two ', 2));
  assert.ok(pieces.fit);
  // In other parts, and beyond what was given.
  let again = pieces.begin(() => (differences += 1));
  again(piece('on', 1));
  assert.ok(!pieces.fit, 'it is shorter');
  again(piece('e two three ', 2, 3));
  assert.ok(pieces.fit);
  assert.deepEqual(given.slice(2), [piece('three ', 3)]);
  again = pieces.begin(() => (differences += 1));
  again(piece('one four ', 1, 4));
  assert.deepEqual([pieces.fit, differences, given.length], [false, 1, 3]);
});

test('a refused step ends the reply, and a panic the engine', async () => {
  const { generate, log } = await generator();
  await assert.rejects(generate('one refuse'), { kind: 'invalid-input' });
  assert.deepEqual(log.at(-1), ['finish', 1]);
  await assert.rejects(generate('one panic'), { kind: 'internal' });
  assert.equal((await generate('again')).reply.text, 'again ');
});

test('records and summaries take turns, and an abort frees one', async () => {
  const { ask, log } = await generator();
  const schema = '{"type":"object"}';
  const [record, summary] = await Promise.all([
    ask('extract', { text: 'a1 a2 a3', options: { schema } }),
    ask('summarize', { text: 'b1 b2', options: {} }),
  ]);
  assert.deepEqual([record.value, summary.summary_text], [{ text: 'a1 a2 a3', schema }, 'b1 b2']);
  const steps = log.filter(([what]) => what === 'step').map(([, word]) => word);
  assert.ok(steps.indexOf('b1') < steps.indexOf('a3'), steps.join(' '));
  const controller = new AbortController();
  const aborted = ask('extract', { text: 'c1 c2 c3 c4', options: { schema } }, { signal: controller.signal });
  const pieces = [];
  await ask('summarize', { text: 'd1  d2', options: {} }, { onPiece: (piece) => pieces.push(piece) });
  // A step that adds nothing gives no piece.
  assert.deepEqual(
    pieces,
    ['d1', 'd2'].map((text) => ({ text, tokens: [] })),
  );
  controller.abort();
  await assert.rejects(aborted, { kind: 'cancelled' });
  await ask('summarize', { text: 'e1', options: {} });
  assert.equal(log.filter(([what]) => what === 'free work').length, 1);
});

test('the schema of a record is an object or JSON, and there is one', () => {
  const schema = { type: 'object', properties: { b: {}, a: {} } };
  assert.deepEqual(recordOptions({ schema, max_new_tokens: 9 }), {
    schema: '{"type":"object","properties":{"b":{},"a":{}}}',
    max_new_tokens: 9,
  });
  assert.deepEqual(recordOptions({ schema: '{}' }), { schema: '{}' });
  assert.throws(() => recordOptions(), { kind: 'invalid-input', message: /'schema' is missing/ });
});

test('inputs are prompts, conversations, or arrays of them', () => {
  const chat = [{ role: 'user', content: 'x' }];
  assert.deepEqual(readInputs('x'), { inputs: ['x'], many: false });
  assert.deepEqual(readInputs(['x', 'y']), { inputs: ['x', 'y'], many: true });
  assert.deepEqual(readInputs(chat), { inputs: [chat], many: false });
  assert.deepEqual(readInputs([chat, chat]), { inputs: [chat, chat], many: true });
  for (const wrong of [1, null, [1], ['x', chat], [[]], [{}]])
    assert.throws(() => readInputs(wrong), { kind: 'invalid-input' });
});

test('options are split for the engine, the prompt and the result', () => {
  const options = splitOptions({
    stop: 'x',
    logprobs: true,
    temperature: 2,
    suffix: 'end',
    chat_template_kwargs: { a: 1 },
  });
  assert.deepEqual(options.generation, { temperature: 2, stop: ['x'], logprobs: 0 });
  assert.deepEqual(splitOptions({ logprobs: null }).generation, {});
  const [a, b] = [0, 1].map(() => splitOptions({ do_sample: true }).generation.seed);
  assert.ok(Number.isInteger(a) && Number.isInteger(b) && a !== b);
  assert.equal(splitOptions({ do_sample: true, seed: 0 }).generation.seed, 0);
  assert.deepEqual(splitOptions({ logprobs: 3 }).generation, { logprobs: 3 });
  const messages = [{ role: 'user', content: 'x' }];
  assert.deepEqual(toPrompt('a', splitOptions({ suffix: 'b' })), { infill: { prefix: 'a', suffix: 'b' } });
  assert.deepEqual(toPrompt(messages, splitOptions({ documents: [] })), { chat: { messages, documents: [] } });
  assert.throws(() => toPrompt(messages, options), { kind: 'invalid-input' });
  assert.throws(() => toPrompt('x', splitOptions({ tools: [] })), { kind: 'invalid-input', message: /'tools'/ });
});

test('results have the shape of transformers.js', () => {
  const reply = { text: ' end', finish_reason: 'stop', usage: {}, confidence: 1 };
  const text = (input, options) => toGeneration(input, reply, splitOptions(options)).generated_text;
  assert.deepEqual(
    [text('a', {}), text('a', { return_full_text: false }), text('a', { suffix: 'z' })],
    ['a end', ' end', ' end'],
  );
  const user = { role: 'user', content: 'x' };
  assert.deepEqual(text([user], {}), [user, { role: 'assistant', content: ' end' }]);
  const begun = { role: 'assistant', content: [{ type: 'text', text: 'the' }] };
  assert.deepEqual(text([user, begun], { continue_final_message: true }), [
    user,
    { role: 'assistant', content: 'the end' },
  ]);
});

test('a stream of text is iterated over, read, left and failed', async () => {
  const say = async (emit) => {
    emit('a');
    await undefined;
    emit('b');
    return 'ab';
  };
  const stream = textStream(say);
  const read = [];
  for await (const piece of stream) read.push(piece);
  assert.deepEqual([read, await stream.result], [['a', 'b'], 'ab']);

  let left;
  const endless = textStream(async (emit, signal) => {
    left = signal;
    emit('a');
    emit('b');
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    emit('after the end');
    throw new Error('left');
  });
  for await (const _ of endless) break;
  assert.ok(left.aborted);
  await assert.rejects(endless.result, /left/);

  const failing = textStream(async (emit) => {
    emit('a');
    await new Promise((resolve) => setTimeout(resolve, 5));
    throw new Error('failed');
  });
  await assert.rejects(async () => {
    for await (const piece of failing) assert.equal(piece, 'a');
  }, /failed/);
  await assert.rejects(failing.result, /failed/);
});

test('chunks are iterated over, and leaving them ends the work', async () => {
  const seen = [];
  for await (const chunk of chunkStream(undefined, async (emit) => {
    emit(1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    emit(2);
  }))
    seen.push(chunk);
  assert.deepEqual(seen, [1, 2]);
  let signal;
  const endless = chunkStream(undefined, (emit, ended) => {
    signal = ended;
    emit(1);
    return new Promise(() => undefined);
  });
  for await (const _ of endless) break;
  assert.ok(signal.aborted && endless.controller.signal.aborted);
  await assert.rejects(async () => {
    for await (const _ of chunkStream(undefined, async () => Promise.reject(new Error('failed'))));
  }, /failed/);
});

test("options in OpenAI's names", () => {
  const messages = [];
  const chat = chatOptions({
    messages,
    max_tokens: 9,
    max_completion_tokens: 7,
    seed: 4,
    stop: 'x',
    top_p: null,
    logprobs: true,
  });
  assert.deepEqual(chat(2), { max_new_tokens: 7, do_sample: true, temperature: 1, stop: ['x'], logprobs: 0, seed: 6 });
  assert.equal(completionOptions({ prompt: 'x' })(0).max_new_tokens, 16);
  assert.ok(Number.isInteger(chatOptions({ messages })(0).seed));
  const format = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object', properties: {} } } };
  const constrained = chatOptions({ messages, response_format: format })(0);
  assert.equal(constrained.json_schema, '{"type":"object","properties":{}}');
  for (const [wrong, kind] of [
    [{ response_format: { type: 'json_schema' } }, 'invalid-input'],
    [{ response_format: { type: 'xml' } }, 'invalid-input'],
    [{ tool_choice: 'required' }, 'unsupported'],
    [{ top_logprobs: 2 }, 'invalid-input'],
    [{ logit_bias: {} }, 'invalid-input'],
  ])
    assert.throws(() => chatOptions({ messages, ...wrong }), { kind });
  assert.throws(() => countOf({ n: 0 }), { kind: 'invalid-input' });
  const usage = new UsageSum();
  usage.add({ prompt_tokens: 5, cached_tokens: 2, completion_tokens: 3 }, true);
  usage.add({ prompt_tokens: 5, cached_tokens: 4, completion_tokens: 4 }, false);
  assert.deepEqual(usage.value, {
    prompt_tokens: 5,
    completion_tokens: 7,
    total_tokens: 12,
    prompt_tokens_details: { cached_tokens: 2 },
  });
});

test('tools that a reply calls are in the message, and in chunks once the reply is whole', async () => {
  const calls = [{ id: 'call00000', type: 'function', function: { name: 'f', arguments: '{}' } }];
  const usage = { prompt_tokens: 4, cached_tokens: 0, completion_tokens: 2 };
  const prompts = [];
  const fake = {
    call: (signal, work) => work(signal ?? new AbortController().signal),
    reply: async (prompt, _options, _signal, onPiece) => {
      prompts.push(prompt);
      onPiece?.({ text: '{"name"', tokens: [] });
      const parsed = prompt.chat.tools ? { content: null, tool_calls: calls } : undefined;
      return { reply: { text: '{"name"', finish_reason: 'stop', usage }, parsed };
    },
  };
  const params = { messages: [{ role: 'user', content: 'x' }], tools: [{}] };
  const whole = await createChatCompletion(fake, 'm', params, {});
  assert.deepEqual(whole.choices, [
    {
      index: 0,
      message: { role: 'assistant', content: null, refusal: null, tool_calls: calls },
      logprobs: null,
      finish_reason: 'tool_calls',
    },
  ]);
  const chunks = [];
  for await (const chunk of await createChatCompletion(fake, 'm', { ...params, stream: true }, {})) chunks.push(chunk);
  assert.deepEqual(
    chunks.map(({ choices: [{ delta, finish_reason }] }) => [delta, finish_reason]),
    [
      [{ role: 'assistant', content: '' }, null],
      [{ tool_calls: [{ index: 0, ...calls[0] }] }, null],
      [{}, 'tool_calls'],
    ],
  );
  assert.ok(chunks.every((chunk) => !('usage' in chunk) && chunk.id === chunks[0].id));
  // Without leave to call tools the template is given none.
  const plain = await createChatCompletion(fake, 'm', { ...params, tool_choice: 'none' }, {});
  assert.equal(plain.choices[0].message.content, '{"name"');
  assert.ok(!('tools' in prompts.at(-1).chat));
});

test("log-probabilities in OpenAI's shapes", () => {
  const tokens = [
    { id: 1, logprob: -1, bytes: [104, 105], top: [{ id: 1, logprob: -1 }] },
    { id: 2, logprob: -2, bytes: [33], top: [{ id: 3, logprob: -0.5 }] },
    { id: 0, logprob: -3, bytes: [], top: [] },
  ];
  const top = { top_bytes: { 1: [104, 105], 3: [63] } };
  assert.deepEqual(chatLogprobs(tokens, top).content, [
    { token: 'hi', logprob: -1, bytes: [104, 105], top_logprobs: [{ token: 'hi', logprob: -1, bytes: [104, 105] }] },
    { token: '!', logprob: -2, bytes: [33], top_logprobs: [{ token: '?', logprob: -0.5, bytes: [63] }] },
  ]);
  assert.deepEqual(completionLogprobs(tokens, top, 10), {
    tokens: ['hi', '!'],
    token_logprobs: [-1, -2],
    top_logprobs: [{ hi: -1 }, { '?': -0.5 }],
    text_offset: [10, 12],
  });
});
