// Runs the real models beside onnxruntime-web, in one page and one run:
//
//     node models.mjs ADDRESS [--webgpu]
//
// ADDRESS is that of the development server. Rows go to stdout as one JSON array, progress to stderr.
// `theirs` is onnxruntime-web on the CPU; a ratio is our time by theirs, so that less than one is faster.
// With --webgpu ours is on WebGPU in software: its numbers are compared, its time says nothing.
import { chromium } from 'playwright-core';

import { launchOptions } from '../tests/web/browser.mjs';

const [address, ...options] = process.argv.slice(2);
if (!address) {
  console.error('usage: node models.mjs ADDRESS [--webgpu]');
  process.exit(2);
}
const webgpu = options.includes('--webgpu');

/** Which golden inputs each gets, and how often all of them. */
const MODELS = [
  { golden: 'rampart', model: 'rampart/onnx/model_q4.onnx', rounds: 9 },
  { golden: 'magika', model: 'magika/model.onnx', rounds: 9 },
  { golden: 'silero-sequence', model: 'silero-vad/silero_vad_16k_sequence.onnx', rounds: 9 },
  { golden: 'silero-op15', model: 'silero-vad/silero_vad_16k_op15.onnx', rounds: 15 },
  { golden: 'det', model: 'pp-ocrv4/det.onnx', rounds: 5 },
  { golden: 'rec', model: 'pp-ocrv4/rec.onnx', rounds: 5 },
  { golden: 'cls', model: 'pp-ocrv4/cls.onnx', rounds: 15 },
];

const rows = [];
const browser = await chromium.launch(launchOptions(webgpu ? 'software' : 'none'));
try {
  for (const model of MODELS) {
    const row = { name: `models/${model.golden}/${webgpu ? 'webgpu-software' : '1t'}`, ...(await measure(model)) };
    console.error(JSON.stringify(row));
    rows.push(row);
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(rows));

async function measure({ golden, model, rounds }) {
  const page = await freshPage();
  const { load, bytes, inputs } = await page.evaluate(([given, device]) => bench.open(given, device), [{ golden, model }, webgpu ? 'webgpu' : 'wasm']);
  const round = (index) => page.evaluate((index) => bench.round(index), index);
  // One whose times do not count: it compiles shaders and grows memory.
  let { difference } = await round(0);
  if (webgpu) {
    await page.context().close();
    return { inputs, largest_difference: brief(difference) };
  }
  const times = { ours: [], theirs: [] };
  for (let i = 0; i < rounds; i += 1) {
    const measured = await round(i);
    difference = Math.max(difference, measured.difference);
    for (const name of Object.keys(times)) times[name].push(measured.times[name]);
  }
  const memory = await page.evaluate(() => bench.memory());
  await page.context().close();
  const [ours, theirs] = [typical(times.ours), typical(times.theirs)];
  return {
    inputs,
    ours_ms: rounded(mean(ours)),
    theirs_ms: rounded(mean(theirs)),
    ratio: rounded(mean(ours) / mean(theirs)),
    worst_ratio: rounded(Math.max(...ours.map((time, i) => time / theirs[i]))),
    ours_load_ms: rounded(load.ours),
    theirs_load_ms: rounded(load.theirs),
    largest_difference: brief(difference),
    memory_bytes: memory,
    memory_limit_bytes: 2 * bytes + 64 * 2 ** 20,
  };
}

async function freshPage() {
  const page = await (await browser.newContext()).newPage();
  page.on('pageerror', (error) => console.error(String(error)));
  const response = await page.goto(new URL('/bench/models.html', address).href);
  if (!response.ok()) throw new Error(`${response.url()} answered ${response.status()}.`);
  await page.waitForFunction(() => globalThis.bench !== undefined);
  return page;
}

/** For each input the median of its rounds. */
function typical(rounds) {
  return rounds[0].map((_, input) => median(rounds.map((round) => round[input])));
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function rounded(value) {
  return Math.round(value * 1000) / 1000;
}

/** Two digits of a small number. */
function brief(value) {
  return Number(value.toPrecision(2));
}
