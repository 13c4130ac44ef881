// Benchmark driver: text generation natively, compared with llama.cpp, in one run.
//
//     node decode.mjs PROGRAM MODEL.gguf
//
// PROGRAM is the example of `decode.rs`. Rows go to stdout as one JSON array, progress to stderr.
// `theirs` is llama.cpp by node-llama-cpp; a ratio is our time divided by theirs, so less than one is faster.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { getLlama } from 'node-llama-cpp';

import { commandLine, median, rounded } from '../driver.mjs';

const [program, modelPath] = commandLine('node decode.mjs PROGRAM MODEL.gguf', 2);

/** Tokens of the prompts, and tokens that are written behind them. */
const LONG = { read: 238, written: 34 };
const SHORT = { read: 16, written: 1 };
const ROUNDS = 7;

const rows = [];
for (const threads of [1, 2]) {
  const contenders = { ours: ours(threads), theirs: await theirs(threads) };
  const measure = async ({ read, written }) => {
    const found = { ours: [], theirs: [] };
    // The first round is a warm-up.
    for (let number = 0; number <= ROUNDS; number += 1) {
      // Each prompt has another first token, so that no program knows its beginning.
      const prompt = Array.from({ length: read }, (_, at) => 1000 + (at === 0 ? read + number : at) * 7);
      const names = Object.keys(contenders);
      for (const name of number % 2 ? names.toReversed() : names) {
        const times = await contenders[name].reply(prompt, written);
        if (number > 0) found[name].push(times);
      }
    }
    return found;
  };
  const compare = (name, found, key) => {
    const [ours, theirs] = ['ours', 'theirs'].map((name) => median(found[name].map((times) => times[key])));
    const row = { name: `decode/native/${threads}t/${name}` };
    Object.assign(row, { ours_ms: rounded(ours), theirs_ms: rounded(theirs), ratio: rounded(ours / theirs) });
    console.error(JSON.stringify(row));
    rows.push(row);
  };
  const [short, long] = [await measure(SHORT), await measure(LONG)];
  compare('first16', short, 'first');
  compare('prefill238', long, 'first');
  compare('new33', long, 'rest');
  for (const { close } of Object.values(contenders)) await close();
}
console.log(JSON.stringify(rows));

function ours(threads) {
  const child = spawn(program, [modelPath, String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const reply = async (prompt, written) => {
    child.stdin.write(`${JSON.stringify({ prompt, written })}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error('Our program has ended.');
    const times = JSON.parse(value);
    if (times.cached > 0 || times.written !== written)
      throw new Error(`Ours wrote ${times.written} tokens and knew ${times.cached}, expected ${written} and 0`);
    return times;
  };
  return { reply, close: () => child.stdin.end() };
}

async function theirs(threads) {
  const llama = await getLlama({ gpu: false, logLevel: 'error', maxThreads: threads });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ contextSize: 512, threads });
  const sequence = context.getSequence();
  const reply = async (prompt, written) => {
    await sequence.clearHistory();
    let first;
    let count = 0;
    const start = performance.now();
    for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
      first ??= performance.now();
      count += 1;
      if (count === written) break;
    }
    return { first: first - start, rest: performance.now() - first };
  };
  return { reply, close: () => llama.dispose() };
}
