// What the machine can do, by the loops and the layers of our own.

/** Long enough that the clock's resolution does not matter. */
const PEAK_MS = 40;

/**
 * The peak of one thread of this machine in 1e9 operations per second, for the multiply-add of matrix products with operands in
 * registers or in the L1 cache. The best of several iterations: the others were interrupted.
 */
export async function peak(dtype, place) {
  const { default: start, peak } = await import('/bench/files/wasm/bench/pilot_light.js');
  await start();
  const timed = (iterations) => {
    const begin = performance.now();
    const operations = peak(dtype, place, iterations);
    return { operations, ms: performance.now() - begin };
  };
  // Until the browser has optimised the loop, which it does between two calls.
  for (let call = 0; call < 300; call += 1) peak(dtype, place, 200);
  await new Promise((resolve) => setTimeout(resolve, 300));
  let iterations = 1000;
  while (timed(iterations).ms < PEAK_MS) iterations *= 2;
  return Math.max(
    ...Array.from({ length: 7 }, () => timed(iterations)).map(({ operations, ms }) => operations / ms / 1e6),
  );
}

const HIDDEN = 384;
/** Operations of the six layers per row; a multiply-add counts as two. */
const OPERATIONS = 6 * 2 * (HIDDEN * 3 * HIDDEN + HIDDEN * HIDDEN + 2 * HIDDEN * 4 * HIDDEN);

/** Our linear layers alone, for so many rows, in 1e9 operations per second. */
export async function linear(dtype, rows, threads) {
  const { env, model, tensor } = await import('pilot-light');
  Object.assign(env, { useBrowserCache: false, numThreads: threads });
  const layers = await model('/bench/files/all-MiniLM-L6-v2/onnx/linear.onnx', {
    worker: false,
    device: 'wasm',
    int8: dtype === 'int8',
  });
  const x = tensor(
    'float32',
    Float32Array.from({ length: rows * HIDDEN }, (_, i) => Math.sin(i)),
    [rows, HIDDEN],
  );
  const times = [];
  for (let i = 0; i < 12; i += 1) {
    const begin = performance.now();
    await layers.run({ x });
    times.push(performance.now() - begin);
  }
  await layers.dispose();
  return (rows * OPERATIONS) / Math.min(...times) / 1e6;
}

/** The bytes that one thread reads from memory in a second; the best of several times. */
export async function memory() {
  const { default: start, readMemory } = await import('/bench/files/wasm/bench/pilot_light.js');
  await start();
  const timed = (turns) => {
    const begin = performance.now();
    const bytes = readMemory(turns);
    return { bytes, ms: performance.now() - begin };
  };
  let turns = 1;
  while (timed(turns).ms < PEAK_MS) turns *= 2;
  return Math.max(...Array.from({ length: 7 }, () => timed(turns)).map(({ bytes, ms }) => (bytes / ms) * 1000));
}
