// Rows of the benchmarks of WebGPU: the encoder compared with onnxruntime-web's, in a browser's page or in Node.
//
// A page has `evaluate`, as playwright's pages do, where encoder.js and gpu.js were loaded after `count` had run.
// `theirs` is onnxruntime-web; a ratio is our time divided by theirs, so less than one is faster.
import { median, rounded } from './statistics.mjs';

export const NAMES = ['ours', 'theirs'];
export const RUN = { device: 'webgpu', threads: 1, dtype: 'fp32' };
/** Batch and length of the first call. */
export const FIRST = [1, 16];

/** Multiplications of MiniLM's layers for a token, and of attention for a token and a key. */
const LAYERS = 6 * (4 * 384 * 384 + 2 * 384 * 1536);
const ATTENTION = 6 * 2 * 384;

/** What there is time for: batch, length and rounds of the calls, and how often each program is loaded. */
export function plan(hardware) {
  return hardware
    ? { shapes: { '1x16': [1, 16, 40], '1x128': [1, 128, 40], '32x128': [32, 128, 20] }, loads: 5 }
    : { shapes: { '1x16': [1, 16, 6], '1x128': [1, 128, 4] }, loads: 2 };
}

/** What the adapter can do. */
export async function machineRow(page, add) {
  const { adapter, ...machine } = await page.evaluate(() => bench.machine());
  add({ name: `gpu/machine/${adapter}`, ...machine });
  return machine;
}

/** The rows of the `loads` of each program. */
export function coldRows(loads, add) {
  for (const part of ['cold_load', 'first_run'])
    add(compared(part, (name) => loads[name].map((load) => load[`${part}_ms`])));
  add({ name: 'gpu/encoder/pipelines', ours: loads.ours[0].pipelines, theirs: loads.theirs[0].pipelines });
}

/** Calls the programs, which are open, in turn. */
export async function warmRows(page, shapes, machine, add) {
  for (const [shape, [batch, length, rounds]] of Object.entries(shapes)) {
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

/** Runs before anything else in each page: counts what WebGPU is given to do. */
export function count() {
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
