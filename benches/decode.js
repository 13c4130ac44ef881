// Benchmark page: two programs that generate text with the same GGUF file; decode.mjs drives it.
//
// Both compute in workers, with as many threads, take the likeliest token, and tell of each as it comes. Neither keeps anything
// from one call to the next: the prompts of two calls differ in their first word.
import { linear, memory } from './machine.js';

const MODEL = '/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf';

/** name: opens the program with a number of threads; returns its function from a prompt and a number of tokens to a reply. */
const contenders = {
  async ours(threads) {
    const { env, pipeline } = await import('pilot-light');
    Object.assign(env, { useBrowserCache: false, numThreads: threads });
    const generate = await pipeline('text-generation', MODEL, { device: 'wasm' });
    if (generate.device.threads !== threads)
      throw new Error(`Ours runs ${generate.device.threads} threads, not ${threads}: ${generate.device.reason}`);
    return async (prompt, tokens) => {
      let first;
      const start = performance.now();
      const streamer = {
        token_callback_function: () => {
          first ??= performance.now();
        },
      };
      const [{ usage }] = await generate(prompt, { max_new_tokens: tokens, prompt_lookup: false, streamer });
      const end = performance.now();
      if (usage.cached_tokens > 0)
        throw new Error(`${usage.cached_tokens} tokens of the prompt were known, expected 0`);
      return { first: first - start, rest: end - first, read: usage.prompt_tokens, written: usage.completion_tokens };
    };
  },

  async theirs(threads) {
    const { LoggerWithoutDebug, Wllama } = await import('@wllama/wllama');
    const wasm = '/bench/node_modules/@wllama/wllama/esm/wasm/wllama.wasm';
    const wllama = new Wllama({ default: wasm }, { logger: LoggerWithoutDebug, suppressNativeLog: true });
    const file = await (await fetch(MODEL)).blob();
    await wllama.loadModel([file], { n_threads: threads, n_ctx: 1024, n_gpu_layers: 0, n_parallel: 1 });
    if (wllama.getNumThreads() !== threads)
      throw new Error(`wllama runs ${wllama.getNumThreads()} threads, not ${threads}`);
    return async (prompt, tokens) => {
      let first;
      let usage;
      const start = performance.now();
      const onData = (chunk) => {
        if (chunk.choices.some(({ text }) => text !== '')) first ??= performance.now();
        usage = chunk.usage ?? usage;
      };
      const options = { prompt, max_tokens: tokens, temperature: 0, top_k: 1, ignore_eos: true, cache_prompt: false };
      await wllama.createCompletion({ ...options, stream: true, onData });
      const end = performance.now();
      return { first: first - start, rest: end - first, read: usage.prompt_tokens, written: usage.completion_tokens };
    };
  },
};

let opened;
/** Calls so far of each. */
let calls = 0;

/** Opens both programs with so many threads. */
async function open(threads) {
  opened = {};
  for (const [name, open] of Object.entries(contenders)) opened[name] = await open(threads);
}

/** A text of so many tokens, each a word. */
function text(tokens, number) {
  return Array.from({ length: tokens }, (_, at) => ` ${WORDS[(at === 0 ? number : at) % WORDS.length]}`).join('');
}

/** Words that are one token each behind a blank. */
const WORDS =
  'time people water house world school family story money night river garden music letter window summer winter morning paper table'.split(
    ' ',
  );

/** One call of each program in turn: the milliseconds to the first token, and those of the others. */
async function round(read, written) {
  calls += 1;
  const names = Object.keys(opened);
  const prompt = text(read, calls);
  const times = {};
  for (const name of calls % 2 ? names.toReversed() : names) {
    const found = await opened[name](prompt, written);
    if (found.read !== read || found.written !== written)
      throw new Error(
        `'${name}' read ${found.read} tokens and wrote ${found.written}, expected ${read} and ${written}`,
      );
    times[name] = found;
  }
  return times;
}

/** The prompts whose replies copy from them, by name: messages and the options of their replies. */
const COPYING = {
  summary: {
    messages: [
      {
        role: 'user',
        content:
          'Summarize the following text in two sentences, in its own words where possible.\n\nThe Danube Commission said on Tuesday that the water level at Budapest had fallen to 47 centimetres, the lowest since 1947. Freight ships carry a third of their usual load, and two ports in Serbia have stopped loading grain. The commission expects rain in the Alps by the weekend, which would raise the level at Vienna within two days and at Budapest within five. Farmers in the lower valley have asked for permission to draw water from the side channels, which the commission refused because the fish of the channels spawn in this month.',
      },
    ],
    options: { max_new_tokens: 96 },
  },
  record: {
    messages: [
      {
        role: 'user',
        content:
          'Write this invoice as JSON.\n\nInvoice 2026-1184 of 14 November 2026. From: Nordwind Elektrotechnik GmbH, Hafenstrasse 12, 24103 Kiel. To: Bergmann Holzbau AG, Industrieweg 7, 8005 Zurich. Item: servomotor controller type K-3300, 4 pieces, 318.50 EUR each. Total: 1274.00 EUR. Payable until 14 December 2026.',
      },
    ],
    options: {
      max_new_tokens: 160,
      json_schema: {
        type: 'object',
        properties: {
          number: { type: 'string' },
          date: { type: 'string' },
          seller: { type: 'string' },
          seller_address: { type: 'string' },
          buyer: { type: 'string' },
          buyer_address: { type: 'string' },
          item: { type: 'string' },
          total: { type: 'string' },
          payable_until: { type: 'string' },
        },
        required: [
          'number',
          'date',
          'seller',
          'seller_address',
          'buyer',
          'buyer_address',
          'item',
          'total',
          'payable_until',
        ],
        additionalProperties: false,
      },
    },
  },
};

let writer;

/** Opens our program for `lookup`; the names of the prompts. */
async function copying() {
  const { env, pipeline } = await import('pilot-light');
  Object.assign(env, { useBrowserCache: false, numThreads: 1 });
  writer = await pipeline('text-generation', MODEL, { device: 'wasm' });
  return Object.keys(COPYING);
}

/** The milliseconds that a reply takes behind its first token, with prompt lookup and without; the texts are equal. */
async function lookup(name, number) {
  const { messages, options } = COPYING[name];
  const ways = { lookup: true, plain: false };
  const found = {};
  for (const way of number % 2 ? ['lookup', 'plain'] : ['plain', 'lookup']) {
    let first;
    const streamer = {
      token_callback_function: () => {
        first ??= performance.now();
      },
    };
    const [reply] = await writer(messages, { ...options, prompt_lookup: ways[way], streamer });
    const { completion_tokens: written, passes } = reply.usage;
    found[way] = { rest: performance.now() - first, written, passes, text: reply.generated_text.at(-1).content };
  }
  if (found.lookup.text !== found.plain.text)
    throw new Error(`'${name}' is '${found.plain.text}', and with prompt lookup '${found.lookup.text}'`);
  return found;
}

/** The bytes that one thread reads from memory in a second, and the 1e9 operations of the encoder's 8-bit layers. */
async function machine() {
  return { memory: await memory(), linear: await linear('int8', 64, 1) };
}

globalThis.bench = { open, round, copying, lookup, machine };
