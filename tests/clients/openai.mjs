// OpenAI's client for JavaScript against `pilot-light serve`.
//
//     node openai.mjs http://127.0.0.1:8080 [--tools] [--suffix]
//
// The server's model is one of the chat. With --tools its chat template takes tools, with --suffix it fills in.

import assert from 'node:assert/strict';
import OpenAI from 'openai';

const [address, ...flags] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: 'none', maxRetries: 0 });
const messages = [{ role: 'user', content: 'What is the capital of France? Answer in one sentence.' }];
const asked = { model: 'any', messages, temperature: 0, max_completion_tokens: 32 };

async function chat() {
  const reply = await client.chat.completions.create(asked);
  const { message, finish_reason } = reply.choices[0];
  assert.ok(message.content && ['stop', 'length'].includes(finish_reason));
  const again = await client.chat.completions.create(asked);
  assert.ok(again.usage.prompt_tokens_details.cached_tokens > 0);
  assert.deepEqual(again.choices, reply.choices);
  console.log('chat:', message.content);
  return reply;
}

async function stream(whole) {
  const chunks = [];
  const options = { stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await client.chat.completions.create({ ...asked, ...options })) chunks.push(chunk);
  const usage = chunks.pop();
  const last = chunks.pop();
  assert.equal(chunks[0].choices[0].delta.role, 'assistant');
  assert.ok(chunks.every((chunk) => chunk.choices[0].finish_reason === null));
  const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('');
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(last.choices[0].finish_reason, whole.choices[0].finish_reason);
  assert.deepEqual(usage.choices, []);
  assert.equal(usage.usage.completion_tokens, whole.usage.completion_tokens);
  // The helper of the client, which puts the chunks together.
  assert.equal(await client.chat.completions.stream(asked).finalContent(), text);
}

async function stop() {
  const stream = await client.chat.completions.create({ ...asked, stream: true, max_completion_tokens: 512 });
  for await (const _chunk of stream) {
    stream.controller.abort();
    break;
  }
  const deadline = Date.now() + 2000;
  const active = async () => (await (await fetch(`${address}/health`)).json()).active;
  while ((await active()) > 0) assert.ok(Date.now() < deadline, 'the slot is not free');
}

async function several() {
  const story = [{ role: 'user', content: 'Begin a story.' }];
  const options = { ...asked, messages: story, temperature: 1.5, seed: 7, n: 3, max_completion_tokens: 12 };
  const first = await client.chat.completions.create(options);
  assert.ok(new Set(first.choices.map((choice) => choice.message.content)).size > 1);
  assert.deepEqual((await client.chat.completions.create(options)).choices, first.choices);
}

async function logprobs() {
  const reply = await client.chat.completions.create({ ...asked, logprobs: true, top_logprobs: 2 });
  const { content } = reply.choices[0].logprobs;
  assert.equal(content.map((token) => token.token).join(''), reply.choices[0].message.content);
  assert.ok(content.every((token) => token.logprob === token.top_logprobs[0].logprob));
}

async function tools() {
  const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  const tool = { name: 'get_weather', description: 'The weather of a city.', parameters };
  const question = [{ role: 'user', content: 'What is the weather in Paris?' }];
  const options = { ...asked, messages: question, tools: [{ type: 'function', function: tool }] };
  const reply = await client.chat.completions.create({ ...options, max_completion_tokens: 64 });
  const streamed = await client.chat.completions.stream({ ...options, max_completion_tokens: 64 }).finalMessage();
  const calls = (message) => (message.tool_calls ?? []).map((call) => [call.function.name, call.function.arguments]);
  console.log('tools:', JSON.stringify(reply.choices[0].message));
  assert.deepEqual(calls(streamed), calls(reply.choices[0].message));
}

async function completions(hasSuffix) {
  const options = { model: 'any', max_tokens: 24, temperature: 0 };
  const infill = { ...options, prompt: 'def add(a, b):\n    ', suffix: '\n\nprint(add(2, 3))\n' };
  if (hasSuffix) console.log('middle:', JSON.stringify((await client.completions.create(infill)).choices[0].text));
  else await assert.rejects(client.completions.create(infill), { status: 400, code: 'unsupported' });
  const counted = { ...options, prompt: 'One, two, three,', max_tokens: 8 };
  const { text } = (await client.completions.create(counted)).choices[0];
  let streamed = '';
  for await (const chunk of await client.completions.create({ ...counted, stream: true }))
    streamed += chunk.choices[0].text;
  assert.equal(streamed, text);
}

async function errors() {
  const long = [{ role: 'user', content: 'word '.repeat(100_000) }];
  const create = (fields) => client.chat.completions.create({ ...asked, ...fields });
  await assert.rejects(create({ messages: long }), { status: 400, code: 'context_length_exceeded' });
  await assert.rejects(create({ logit_bias: { 1: 1 } }), { status: 400, code: 'unsupported' });
  await assert.rejects(client.models.retrieve('another'), { status: 404, code: 'model_not_found' });
}

const names = (await client.models.list()).data.map((model) => model.id);
console.log('models:', names);
const whole = await chat();
await stream(whole);
await stop();
await several();
await logprobs();
if (flags.includes('--tools')) await tools();
await completions(flags.includes('--suffix'));
await errors();
if (names.length > 1) {
  const { data } = await client.embeddings.create({ model: names[1], input: ['a text', 'another'] });
  assert.ok(Math.abs(data[0].embedding.reduce((sum, number) => sum + number * number, 0) - 1) < 1e-5);
}
console.log('passed');
