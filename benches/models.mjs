// Benchmark driver: real ONNX models compared with onnxruntime-web, in one page and one run.
//
//     node models.mjs ADDRESS [--webgpu]
//
// ADDRESS is the development server's. Rows go to stdout as one JSON array, progress to stderr.
// `theirs` is onnxruntime-web on the CPU; a ratio is our time divided by theirs, so less than one is faster.
// With --webgpu ours runs on WebGPU in software: its results are compared, its time says nothing.
import { chromium } from 'playwright-core';

import { commandLine, launchOptions, mean, median, openPage, rounded } from './driver.mjs';

const [address, ...options] = commandLine('node models.mjs ADDRESS [--webgpu]');
const webgpu = options.includes('--webgpu');

/** The models with their golden inputs and the number of rounds. */
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
  const page = await openPage(await browser.newContext(), address, '/bench/models.html');
  const { load, bytes, inputs } = await page.evaluate(
    ([given, device]) => bench.open(given, device),
    [{ golden, model }, webgpu ? 'webgpu' : 'wasm'],
  );
  const round = (index) => page.evaluate((index) => bench.round(index), index);
  // A warm-up round: it compiles shaders and grows memory.
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

/** The median of the rounds for each input. */
function typical(rounds) {
  return rounds[0].map((_, input) => median(rounds.map((round) => round[input])));
}

/** Two significant digits. */
function brief(value) {
  return Number(value.toPrecision(2));
}
