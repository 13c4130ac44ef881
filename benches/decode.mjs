// Benchmark driver: text generation compared with wllama, in one page and one run.
//
//     node decode.mjs ADDRESS
//
// ADDRESS is the development server's. Rows go to stdout as one JSON array, progress to stderr.
// `theirs` is wllama; a ratio is our time divided by theirs, so less than one is faster.
import { chromium } from 'playwright-core';

import { commandLine, launchOptions, median, openPage, rounded } from './driver.mjs';

const [address] = commandLine('node decode.mjs ADDRESS');

/** Tokens of the prompts, and tokens that are written behind them. */
const LONG = { read: 238, written: 34 };
const SHORT = { read: 16, written: 1 };
const ROUNDS = { long: 3, short: 6, lookup: 3 };

/** The weights of the layers of SmolLM2-135M: each of a token's is multiplied and added once. */
const LAYER_WEIGHTS = 30 * (576 * (576 + 192 + 192 + 576) + 3 * 576 * 1536);
const FILE = 'models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf';

const rows = [];
for (const threads of [1, 2]) await inBrowser((page) => compared(page, threads));
await inBrowser(lookup);
console.log(JSON.stringify(rows));

async function inBrowser(measure) {
  const browser = await chromium.launch(launchOptions('none'));
  try {
    await measure(await openPage(await browser.newContext(), address, '/bench/decode.html'));
  } finally {
    await browser.close();
  }
}

function add(row) {
  console.error(JSON.stringify(row));
  rows.push(row);
}

/** Both programs with so many threads, and the share of what the machine allows that ours reaches. */
async function compared(page, threads) {
  await page.evaluate((threads) => bench.open(threads), threads);
  const rounds = async ({ read, written }, count) => {
    const found = [];
    for (let number = 0; number < count; number += 1)
      found.push(await page.evaluate(([read, written]) => bench.round(read, written), [read, written]));
    return found;
  };
  // A warm-up round: it compiles and grows memory.
  await rounds(SHORT, 1);
  const short = await rounds(SHORT, ROUNDS.short);
  const long = await rounds(LONG, ROUNDS.long);
  const compare = (name, found, key, more = () => ({})) => {
    const [ours, theirs] = ['ours', 'theirs'].map((name) => median(found.map((times) => times[name][key])));
    const path = `decode/${threads}t/${name}`;
    add({
      name: path,
      ours_ms: rounded(ours),
      theirs_ms: rounded(theirs),
      ratio: rounded(ours / theirs),
      ...more(ours),
    });
  };
  compare('first16', short, 'first');
  const machine = threads === 1 ? await page.evaluate(() => bench.machine()) : undefined;
  compare('prefill238', long, 'first', (ms) => {
    const gops = (2 * LONG.read * LAYER_WEIGHTS) / ms / 1e6;
    if (machine === undefined) return { gops: rounded(gops) };
    return {
      gops: rounded(gops),
      encoder_gops: rounded(machine.linear),
      of_encoder: rounded(gops / machine.linear),
    };
  });
  const size = Number((await fetch(new URL(FILE, address), { method: 'HEAD' })).headers.get('content-length'));
  compare('new33', long, 'rest', (ms) => {
    const speed = ((LONG.written - 1) / ms) * 1000;
    if (machine === undefined) return { tokens_per_second: rounded(speed) };
    // Each token reads the weights once.
    const most = machine.memory / size;
    return {
      tokens_per_second: rounded(speed),
      memory_gb_per_second: rounded(machine.memory / 1e9),
      of_memory: rounded(speed / most),
    };
  });
}

/** What prompt lookup brings where a reply copies from its prompt. */
async function lookup(page) {
  const names = await page.evaluate(() => bench.copying());
  for (const name of names) {
    const found = [];
    for (let number = 0; number < ROUNDS.lookup; number += 1) {
      found.push(await page.evaluate(([name, number]) => bench.lookup(name, number), [name, number]));
    }
    const time = (way) => median(found.map((round) => round[way].rest));
    const [{ lookup }] = found;
    add({
      name: `decode/lookup/${name}`,
      lookup_ms: rounded(time('lookup')),
      plain_ms: rounded(time('plain')),
      times_as_fast: rounded(time('plain') / time('lookup')),
      tokens: lookup.written,
      passes: lookup.passes,
    });
  }
}
