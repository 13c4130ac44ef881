// Benchmark driver: the encoder compared with onnxruntime-web and transformers.js, in one browser and one run.
//
//     node encoder.mjs ADDRESS
//
// ADDRESS is the development server's. Rows go to stdout as one JSON array, progress to stderr.
// `theirs` is onnxruntime-web; a ratio is our time divided by theirs, so less than one is faster.
import { chromium } from 'playwright-core';

import { commandLine, launchOptions, median, openPage, rounded } from './driver.mjs';

const [address] = commandLine('node encoder.mjs ADDRESS');

const SHAPES = { '1x16': [1, 16], '1x128': [1, 128], '8x64': [8, 64] };

const ALL = ['ours', 'theirs', 'transformers'];
const PAIR = ['ours', 'theirs'];

/**
 * The runs: rounds of cold loads, and of warm calls by shape. The number of rounds is a multiple of the number of programs, so
 * that each of them goes first equally often.
 */
const RUNS = [
  { path: 'encoder/fp32', threads: 1, dtype: 'fp32', names: ALL, cold: 3 },
  { path: 'encoder/fp32/1t', threads: 1, dtype: 'fp32', names: ALL, warm: { '1x16': 24, '1x128': 21, '8x64': 15 } },
  { path: 'encoder/fp32/2t', threads: 2, dtype: 'fp32', names: PAIR, warm: { '1x16': 24, '1x128': 20, '8x64': 16 } },
  { path: 'encoder/int8', threads: 1, dtype: 'int8', names: PAIR, cold: 4, cached: true },
  { path: 'encoder/int8/1t', threads: 1, dtype: 'int8', names: PAIR, warm: { '1x16': 24, '1x128': 20, '8x64': 16 } },
  { path: 'encoder/int8/2t', threads: 2, dtype: 'int8', names: PAIR, warm: { '1x16': 24, '1x128': 20, '8x64': 16 } },
  // With baseline SIMD, without the relaxed instructions.
  {
    path: 'encoder/int8/1t/baseline',
    threads: 1,
    dtype: 'int8',
    build: 'cpu',
    names: PAIR,
    warm: { '1x16': 24, '1x128': 20, '8x64': 16 },
  },
  {
    path: 'encoder/fp32/1t/baseline',
    threads: 1,
    dtype: 'fp32',
    build: 'cpu',
    names: PAIR,
    warm: { '1x16': 24, '1x128': 20, '8x64': 16 },
  },
];

/** The types whose matrix products are compared with the machine's peak. */
const ROOFLINES = ['fp32', 'int8'];

const rows = [];
for (const run of RUNS) {
  const browser = await chromium.launch(launchOptions('none'));
  try {
    rows.push(...(await measure(browser, run)));
  } finally {
    await browser.close();
  }
}
rows.push(...(await rooflines()));
console.log(JSON.stringify(rows));

/** Roofline: the peak of one thread of the machine, and the share of it that our linear layers reach. */
async function rooflines() {
  const browser = await chromium.launch(launchOptions('none'));
  try {
    const page = await freshPage(browser);
    const rows = [];
    const add = (row) => {
      console.error(JSON.stringify(row));
      rows.push(row);
    };
    for (const dtype of ROOFLINES) {
      const peaks = {};
      for (const place of ['registers', 'cache']) {
        peaks[place] = await page.evaluate(([dtype, place]) => bench.peak(dtype, place), [dtype, place]);
        add({ name: `roofline/${dtype}/${place}`, gops: rounded(peaks[place]) });
      }
      for (const [shape, [count, length]] of Object.entries(SHAPES)) {
        const gops = await page.evaluate(([dtype, rows]) => bench.linear(dtype, rows, 1), [dtype, count * length]);
        add({
          name: `roofline/${dtype}/linear/${shape}`,
          gops: rounded(gops),
          of_registers: rounded(gops / peaks.registers),
          of_cache: rounded(gops / peaks.cache),
        });
      }
    }
    return rows;
  } finally {
    await browser.close();
  }
}

async function measure(browser, { path, names, cold = 0, cached = false, warm = {}, ...settings }) {
  const run = { device: 'wasm', ...settings };
  const page = await freshPage(browser);
  const workload = (shape) => page.evaluate((shape) => bench.workload(shape), SHAPES[shape]);
  const rows = [];
  if (cold > 0) {
    const loads = await coldLoads(browser, { run, names, rounds: cold, cached, input: await workload('1x16') });
    rows.push(
      ...['cold_load', 'first_run'].map((name) =>
        row(`${path}/${name}`, names, (contender) => loads[contender].map((load) => load[`${name}_ms`])),
      ),
    );
  }
  if (Object.keys(warm).length > 0) await page.evaluate(([run, names]) => bench.open(run, names), [run, names]);
  for (const [shape, rounds] of Object.entries(warm)) {
    const input = await workload(shape);
    const round = (index) => page.evaluate(([input, index]) => bench.round(input, index), [input, index]);
    // A warm-up round: it grows memory for the shape.
    await round(0);
    const times = [];
    for (let i = 0; i < rounds; i += 1) times.push(await round(i));
    rows.push(row(`${path}/${shape}`, names, (contender) => times.map((round) => round[contender])));
  }
  await page.context().close();
  return rows;
}

/** Loads each program in turn, in empty browser profiles; with `cached`, in profiles whose HTTP cache has the same files. */
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

function freshPage(profile) {
  return openPage(profile, address, '/bench/encoder.html');
}

function row(name, names, timesOf) {
  const medians = Object.fromEntries(names.map((contender) => [contender, median(timesOf(contender))]));
  const { ours, theirs, transformers } = medians;
  const row = { name, ours_ms: rounded(ours), theirs_ms: rounded(theirs), ratio: rounded(ours / theirs) };
  if (transformers !== undefined)
    Object.assign(row, { transformers_ms: rounded(transformers), transformers_ratio: rounded(ours / transformers) });
  console.error(JSON.stringify(row));
  return row;
}
