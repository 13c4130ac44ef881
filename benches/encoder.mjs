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

/** What is measured on each device: rounds of cold loads, and of warm calls by shape, in threes as there are three programs. */
const RUNS = [
  { device: 'wasm', webgpu: 'none', path: 'encoder/fp32/1t', coldPath: 'encoder/fp32', cold: 3, warm: { '1x16': 24, '1x128': 21, '8x64': 15 } },
  // In software this takes seconds a call; it says how the programs compare there, nothing about a GPU.
  { device: 'webgpu', webgpu: 'software', path: 'encoder/fp32/webgpu-software', coldPath: 'encoder/fp32/webgpu-software', cold: 1, warm: { '1x16': 6, '1x128': 3 } },
];

const rows = [];
for (const run of RUNS) {
  const browser = await chromium.launch(launchOptions(run.webgpu));
  try {
    rows.push(...(await measure(browser, run)));
  } finally {
    await browser.close();
  }
}
console.log(JSON.stringify(rows));

async function measure(browser, { device, path, coldPath, cold, warm }) {
  const page = await freshPage(browser);
  const names = await page.evaluate(() => bench.names);
  const loads = await coldLoads(browser, device, names, cold, await page.evaluate((shape) => bench.workload(shape), SHAPES['1x16']));
  const rows = ['cold_load', 'first_run'].map((name) => row(`${coldPath}/${name}`, (contender) => loads[contender].map((load) => load[`${name}_ms`])));

  await page.evaluate((device) => bench.open(device), device);
  for (const [shape, rounds] of Object.entries(warm)) {
    const input = await page.evaluate((shape) => bench.workload(shape), SHAPES[shape]);
    const round = (index) => page.evaluate(([input, index]) => bench.round(input, index), [input, index]);
    // One that does not count: it compiles shaders and grows memory for the shape.
    await round(0);
    const times = [];
    for (let i = 0; i < rounds; i += 1) times.push(await round(i));
    rows.push(row(`${path}/${shape}`, (contender) => times.map((round) => round[contender])));
  }
  await page.context().close();
  return rows;
}

/** Loads each program in pages that have seen nothing before, in turn. */
async function coldLoads(browser, device, names, rounds, input) {
  const loads = Object.fromEntries(names.map((name) => [name, []]));
  for (let i = 0; i < rounds; i += 1) {
    for (const name of names) {
      const page = await freshPage(browser);
      loads[name].push(await page.evaluate(([name, device, input]) => bench.cold(name, device, input), [name, device, input]));
      await page.context().close();
    }
  }
  return loads;
}

async function freshPage(browser) {
  const page = await (await browser.newContext()).newPage();
  page.on('pageerror', (error) => console.error(String(error)));
  const response = await page.goto(new URL('/bench/encoder.html', address).href);
  if (!response.ok()) throw new Error(`${response.url()} answered ${response.status()}.`);
  await page.waitForFunction(() => globalThis.bench !== undefined);
  return page;
}

function row(name, timesOf) {
  const [ours, theirs, transformers] = ['ours', 'theirs', 'transformers'].map((contender) => median(timesOf(contender)));
  const row = {
    name,
    ours_ms: rounded(ours),
    theirs_ms: rounded(theirs),
    ratio: rounded(ours / theirs),
    transformers_ms: rounded(transformers),
    transformers_ratio: rounded(ours / transformers),
  };
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
