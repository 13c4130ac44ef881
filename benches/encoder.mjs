// Measures the encoder beside onnxruntime-web and transformers.js, in one browser and one run:
//
//     node encoder.mjs ADDRESS
//
// ADDRESS is that of the development server. Rows go to stdout as one JSON array, progress to stderr.
// `theirs` is onnxruntime-web; a ratio is our time by theirs, so that less than one is faster.
import { chromium } from 'playwright-core';

import { launchOptions } from '../tests/web/browser.mjs';

const [address] = process.argv.slice(2);
if (!address) {
  console.error('usage: node encoder.mjs ADDRESS');
  process.exit(2);
}

const SHAPES = { '1x16': [1, 16], '1x128': [1, 128], '8x64': [8, 64] };

const ALL = ['ours', 'theirs', 'transformers'];
const PAIR = ['ours', 'theirs'];

/**
 * What is measured: rounds of cold loads, and of warm calls by shape. As many rounds as there are programs, or a
 * multiple of that, so that each of them begins as often as the others.
 */
const RUNS = [
  { path: 'encoder/fp32', threads: 1, dtype: 'fp32', names: ALL, cold: 3 },
  { path: 'encoder/fp32/1t', threads: 1, dtype: 'fp32', names: ALL, warm: { '1x16': 24, '1x128': 21, '8x64': 15 } },
  { path: 'encoder/fp32/2t', threads: 2, dtype: 'fp32', names: PAIR, warm: { '1x16': 24, '1x128': 20, '8x64': 16 } },
  { path: 'encoder/int8', threads: 1, dtype: 'int8', names: PAIR, cold: 4, cached: true },
  { path: 'encoder/int8/1t', threads: 1, dtype: 'int8', names: PAIR, warm: { '1x16': 24, '1x128': 20, '8x64': 16 } },
  { path: 'encoder/int8/2t', threads: 2, dtype: 'int8', names: PAIR, warm: { '1x16': 24, '1x128': 20, '8x64': 16 } },
  // With the instructions that every browser has.
  { path: 'encoder/int8/1t/baseline', threads: 1, dtype: 'int8', build: 'cpu', names: PAIR, warm: { '1x16': 24, '1x128': 20, '8x64': 16 } },
  { path: 'encoder/fp32/1t/baseline', threads: 1, dtype: 'fp32', build: 'cpu', names: PAIR, warm: { '1x16': 24, '1x128': 20, '8x64': 16 } },
  // In software this takes seconds a call; it says how the programs compare there, nothing about a GPU.
  { path: 'encoder/fp32/webgpu-software', device: 'webgpu', webgpu: 'software', threads: 1, dtype: 'fp32', names: ALL, cold: 1, warm: { '1x16': 6, '1x128': 3 } },
];

/** Types of numbers whose products are compared with the machine's peak. */
const ROOFLINES = ['fp32', 'int8'];

const rows = [];
for (const run of RUNS) {
  const browser = await chromium.launch(launchOptions(run.webgpu ?? 'none'));
  try {
    rows.push(...(await measure(browser, { device: 'wasm', ...run })));
  } finally {
    await browser.close();
  }
}
rows.push(...(await rooflines()));
console.log(JSON.stringify(rows));

/** What one thread of the machine can do at the most, and what part of it our linear layers do. */
async function rooflines() {
  const browser = await chromium.launch(launchOptions('none'));
  try {
    const page = await freshPage(browser);
    const rows = [];
    const add = (row) => (console.error(JSON.stringify(row)), rows.push(row));
    for (const dtype of ROOFLINES) {
      const peaks = {};
      for (const place of ['registers', 'cache']) {
        peaks[place] = await page.evaluate(([dtype, place]) => bench.peak(dtype, place), [dtype, place]);
        add({ name: `roofline/${dtype}/${place}`, gops: rounded(peaks[place]) });
      }
      for (const [shape, [count, length]] of Object.entries(SHAPES)) {
        const gops = await page.evaluate(([dtype, rows]) => bench.linear(dtype, rows, 1), [dtype, count * length]);
        add({ name: `roofline/${dtype}/linear/${shape}`, gops: rounded(gops), of_registers: rounded(gops / peaks.registers), of_cache: rounded(gops / peaks.cache) });
      }
    }
    return rows;
  } finally {
    await browser.close();
  }
}

async function measure(browser, { path, names, cold = 0, cached = false, warm = {}, ...run }) {
  const page = await freshPage(browser);
  const workload = (shape) => page.evaluate((shape) => bench.workload(shape), SHAPES[shape]);
  const rows = [];
  if (cold > 0) {
    const loads = await coldLoads(browser, { run, names, rounds: cold, cached, input: await workload('1x16') });
    rows.push(...['cold_load', 'first_run'].map((name) => row(`${path}/${name}`, names, (contender) => loads[contender].map((load) => load[`${name}_ms`]))));
  }
  if (Object.keys(warm).length > 0) await page.evaluate(([run, names]) => bench.open(run, names), [run, names]);
  for (const [shape, rounds] of Object.entries(warm)) {
    const input = await workload(shape);
    const round = (index) => page.evaluate(([input, index]) => bench.round(input, index), [input, index]);
    // One that does not count: it compiles shaders and grows memory for the shape.
    await round(0);
    const times = [];
    for (let i = 0; i < rounds; i += 1) times.push(await round(i));
    rows.push(row(`${path}/${shape}`, names, (contender) => times.map((round) => round[contender])));
  }
  await page.context().close();
  return rows;
}

/**
 * Loads each program in turn, in browser profiles that have seen nothing before; or nothing but the same files, `cached` as
 * HTTP says.
 */
async function coldLoads(browser, { run, names, rounds, cached, input }) {
  const loads = Object.fromEntries(names.map((name) => [name, []]));
  const load = async (page, name) => {
    const load = await page.evaluate(([name, run, input]) => bench.cold(name, run, input), [name, run, input]);
    await page.close();
    return load;
  };
  for (let i = 0; i < rounds; i += 1) {
    for (const name of names) {
      const context = await browser.newContext();
      if (cached) await load(await freshPage(context), name);
      loads[name].push(await load(await freshPage(context), name));
      await context.close();
    }
  }
  return loads;
}

/** A page of a browser profile, or of a profile of its own. */
async function freshPage(profile) {
  const page = await profile.newPage();
  page.on('pageerror', (error) => console.error(String(error)));
  const response = await page.goto(new URL('/bench/encoder.html', address).href);
  if (!response.ok()) throw new Error(`${response.url()} answered ${response.status()}.`);
  await page.waitForFunction(() => globalThis.bench !== undefined);
  return page;
}

function row(name, names, timesOf) {
  const medians = Object.fromEntries(names.map((contender) => [contender, median(timesOf(contender))]));
  const { ours, theirs, transformers } = medians;
  const row = { name, ours_ms: rounded(ours), theirs_ms: rounded(theirs), ratio: rounded(ours / theirs) };
  if (transformers !== undefined) Object.assign(row, { transformers_ms: rounded(transformers), transformers_ratio: rounded(ours / transformers) });
  console.error(JSON.stringify(row));
  return row;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function rounded(value) {
  return Math.round(value * 1000) / 1000;
}
