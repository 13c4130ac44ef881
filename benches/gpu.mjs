// Benchmark driver: the encoder on WebGPU compared with onnxruntime-web's, in one browser and one run.
//
//     node gpu.mjs ADDRESS [--hardware]
//
// ADDRESS is the development server's. Rows go to stdout as one JSON array, progress to stderr.
// `theirs` is onnxruntime-web; a ratio is our time divided by theirs, so less than one is faster.
// Without --hardware the adapter is SwiftShader, which computes on the CPU: it compares the programs and says nothing about a GPU.
import { chromium } from 'playwright-core';

import { commandLine, launchOptions, median, openPage, rounded } from './driver.mjs';

const [address, ...options] = commandLine('node gpu.mjs ADDRESS [--hardware]');
const hardware = options.includes('--hardware');

const NAMES = ['ours', 'theirs'];
const RUN = { device: 'webgpu', threads: 1, dtype: 'fp32' };
/** Batch, length and rounds. */
const SHAPES = hardware
  ? { '1x16': [1, 16, 40], '1x128': [1, 128, 40], '32x128': [32, 128, 20] }
  : { '1x16': [1, 16, 6], '1x128': [1, 128, 4] };
const COLD_ROUNDS = hardware ? 5 : 2;

/** Multiplications of MiniLM's layers for a token, and of attention for a token and a key. */
const LAYERS = 6 * (4 * 384 * 384 + 2 * 384 * 1536);
const ATTENTION = 6 * 2 * 384;

const rows = [];
const add = (row) => {
  console.error(JSON.stringify(row));
  rows.push(row);
};
const browser = await chromium.launch(launchOptions(hardware ? 'hardware' : 'software'));
try {
  const page = await freshPage();
  const { adapter, ...machine } = await page.evaluate(() => bench.machine());
  add({ name: `gpu/machine/${adapter}`, ...machine });
  await page.context().close();
  await coldLoads();
  await warmCalls(machine);
} finally {
  await browser.close();
}
console.log(JSON.stringify(rows));

async function freshPage() {
  const context = await browser.newContext();
  await context.addInitScript(count);
  const page = await openPage(context, address, '/bench/encoder.html');
  await page.evaluate(() => import('/bench/gpu.js'));
  return page;
}

/** Loads each program in turn, in empty browser profiles. */
async function coldLoads() {
  const loads = { ours: [], theirs: [] };
  for (let i = 0; i < COLD_ROUNDS; i += 1) {
    for (const name of NAMES) {
      const page = await freshPage();
      const load = await page.evaluate(
        async ([name, run, shape]) => bench.cold(name, run, await bench.workload(shape)),
        [name, RUN, [1, 16]],
      );
      loads[name].push({ ...load, ...(await page.evaluate(() => counts)) });
      await page.context().close();
    }
  }
  for (const part of ['cold_load', 'first_run'])
    add(compared(part, (name) => loads[name].map((load) => load[`${part}_ms`])));
  add({ name: 'gpu/encoder/pipelines', ours: loads.ours[0].pipelines, theirs: loads.theirs[0].pipelines });
}

async function warmCalls(machine) {
  const page = await freshPage();
  await page.evaluate(([run, names]) => bench.open(run, names), [RUN, NAMES]);
  for (const [shape, [batch, length, rounds]] of Object.entries(SHAPES)) {
    const input = await page.evaluate((shape) => bench.workload(shape), [batch, length]);
    const round = (index) => page.evaluate(([input, index]) => bench.round(input, index), [input, index]);
    // A warm-up round: it compiles shaders and grows memory for the shape.
    await round(0);
    const times = [];
    for (let i = 0; i < rounds; i += 1) times.push(await round(i));
    const given = {};
    for (const name of NAMES) {
      const counts = await page.evaluate(([name, input]) => bench.counted(name, input), [name, input]);
      for (const [what, count] of Object.entries(counts)) given[`${name}_${what}`] = count;
    }
    const row = compared(shape, (name) => times.map((round) => round[name]));
    const gflops = (2 * batch * length * (LAYERS + ATTENTION * length)) / row.ours_ms / 1e6;
    add({ ...row, gflops: rounded(gflops), of_peak: rounded(gflops / machine.gflops), ...given });
  }
  await page.context().close();
}

function compared(name, timesOf) {
  const [ours, theirs] = NAMES.map((contender) => median(timesOf(contender)));
  return {
    name: `gpu/encoder/${name}`,
    ours_ms: rounded(ours),
    theirs_ms: rounded(theirs),
    ratio: rounded(ours / theirs),
  };
}

/** Runs in each page before anything else: counts what WebGPU is given to do. */
function count() {
  const counts = { dispatches: 0, submits: 0, pipelines: 0, reads: 0 };
  globalThis.counts = counts;
  const counted = (type, method, name) => {
    const original = globalThis[type]?.prototype[method];
    if (original === undefined) return;
    globalThis[type].prototype[method] = function (...args) {
      counts[name] += 1;
      return original.apply(this, args);
    };
  };
  counted('GPUComputePassEncoder', 'dispatchWorkgroups', 'dispatches');
  counted('GPUComputePassEncoder', 'dispatchWorkgroupsIndirect', 'dispatches');
  counted('GPUQueue', 'submit', 'submits');
  counted('GPUDevice', 'createComputePipeline', 'pipelines');
  counted('GPUDevice', 'createComputePipelineAsync', 'pipelines');
  counted('GPUBuffer', 'mapAsync', 'reads');
}
