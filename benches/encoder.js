// The page's half of the comparison: three programs that embed texts with the same weights.
//
// All of them run in the page's own thread, with as many helpers, with weights of the same type, and none
// keeps files from one load to the next. What a call gives is the same: normalised means, on the CPU's side.
// Ours and transformers.js are given texts and turn them into tokens first, which takes microseconds
// a text; onnxruntime-web is given the tokens.

const MODEL = 'all-MiniLM-L6-v2';
/** Our own folders of it by the type of their weights. */
const OURS = { fp32: `/models/${MODEL}`, int8: `/bench/files/${MODEL}-int8` };
const MODULES = '/bench/node_modules/';
/** The folder of the same model as the peers have it, with ONNX files made from the same weights. */
const PEERS = '/bench/files/';
/** The name of the ONNX file by the type of its weights; `int8` is what onnxruntime makes of them. */
const ONNX = { fp32: 'model.onnx', int8: 'model_quantized.onnx' };
/** Below this the programs do not compute the same, and their times say nothing; 8 bits differ in how they round. */
const MIN_COSINE = { fp32: 0.9999, int8: 0.9 };

/**
 * name: opens it on a device, 'wasm' or 'webgpu', with weights of a type and with threads, and gives its
 * function from inputs to embeddings.
 */
const contenders = {
  async ours({ device, dtype, threads, build }) {
    const { env, pipeline } = await import('pilot-light');
    Object.assign(env, { useBrowserCache: false, numThreads: threads, cpuBuild: build ?? 'auto' });
    const embed = await pipeline('feature-extraction', OURS[dtype], { device, dtype, worker: false });
    if (embed.device.threads !== threads) throw new Error(`Ours runs ${embed.device.threads} threads, not ${threads}: ${embed.device.reason}`);
    return async ({ texts }) => rows(await embed(texts, { pooling: 'mean', normalize: true }));
  },

  async theirs({ device, dtype, threads }) {
    const ort = await (device === 'webgpu' ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm'));
    ort.env.wasm.numThreads = threads;
    const session = await ort.InferenceSession.create(`${PEERS}${MODEL}/onnx/${ONNX[dtype]}`, { executionProviders: [device] });
    return async ({ ids }) => {
      const dims = [ids.length, ids[0].length];
      const filled = (value) => new ort.Tensor('int64', new BigInt64Array(dims[0] * dims[1]).fill(value), dims);
      const input_ids = new ort.Tensor('int64', BigInt64Array.from(ids.flat(), BigInt), dims);
      const { last_hidden_state } = await session.run({ input_ids, attention_mask: filled(1n), token_type_ids: filled(0n) });
      return normalisedMeans(last_hidden_state);
    };
  },

  async transformers({ device, dtype, threads }) {
    const { pipeline } = await transformersJs(threads);
    const embed = await pipeline('feature-extraction', MODEL, { device, dtype: dtype === 'int8' ? 'q8' : dtype });
    return async ({ texts }) => rows(await embed(texts, { pooling: 'mean', normalize: true }));
  },
};

/** transformers.js, looking nowhere but here. */
async function transformersJs(numThreads = 1) {
  const library = await import('@huggingface/transformers');
  const { env } = library;
  Object.assign(env, { allowRemoteModels: false, allowLocalModels: true, localModelPath: PEERS, useBrowserCache: false, useWasmCache: false });
  Object.assign(env.backends.onnx.wasm, { numThreads, wasmPaths: `${MODULES}@huggingface/transformers/node_modules/onnxruntime-web/dist/` });
  return library;
}

function rows({ dims: [count, size], data }) {
  return Array.from({ length: count }, (_, i) => data.slice(i * size, (i + 1) * size));
}

/** The mean over the tokens of each text, at length one; no text here is padded. */
function normalisedMeans({ dims: [count, length, size], data }) {
  return Array.from({ length: count }, (_, row) => {
    const mean = new Float32Array(size);
    for (let token = 0; token < length; token += 1) {
      const at = (row * length + token) * size;
      for (let i = 0; i < size; i += 1) mean[i] += data[at + i];
    }
    const norm = Math.hypot(...mean);
    return mean.map((value) => value / norm);
  });
}

/** Words that are one token each. */
const WORDS = 'the river carried small boats past old stone houses while children watched from a narrow wooden bridge and waved'.split(' ');

/**
 * Inputs of `count` texts of exactly `length` tokens, with the two that every text gets, as texts and
 * as token ids.
 */
async function workload([count, length]) {
  const { AutoTokenizer } = await transformersJs();
  const tokenizer = await AutoTokenizer.from_pretrained(MODEL);
  const texts = Array.from({ length: count }, (_, row) => Array.from({ length: length - 2 }, (_, i) => WORDS[(row + i) % WORDS.length]).join(' '));
  const ids = texts.map((text) => tokenizer.encode(text));
  const wrong = ids.find((row) => row.length !== length);
  if (wrong) throw new Error(`A text has ${wrong.length} tokens where ${length} were meant.`);
  return { texts, ids };
}

/** From the import to the first embedding, and the first call alone; to be asked of a fresh page. */
async function cold(name, run, input) {
  const start = performance.now();
  const embed = await contenders[name](run);
  const loaded = performance.now();
  await embed(input);
  const end = performance.now();
  return { cold_load_ms: end - start, first_run_ms: end - loaded };
}

let opened;
let leastCosine;
/** Opens those that are `named` in this page, for `round`. */
async function open(run, named) {
  opened = {};
  leastCosine = MIN_COSINE[run.dtype];
  for (const name of named) opened[name] = await contenders[name](run);
}

/**
 * One turn of each, one after another, in milliseconds. Their outputs must agree. Every round begins
 * with another of them: the first comes out of a pause, which is a small disadvantage.
 */
async function round(input, index) {
  const names = Object.keys(opened);
  const first = index % names.length;
  const times = {};
  const outputs = {};
  for (const name of [...names.slice(first), ...names.slice(0, first)]) {
    const start = performance.now();
    outputs[name] = await opened[name](input);
    times[name] = performance.now() - start;
  }
  for (const [name, output] of Object.entries(outputs)) {
    const worst = Math.min(...output.map((row, i) => dot(row, outputs.theirs[i])));
    if (!(worst >= leastCosine)) throw new Error(`The outputs of '${name}' differ from onnxruntime-web's: cosine ${worst}.`);
  }
  return times;
}

function dot(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

/** Long enough that the clock's grain does not matter. */
const PEAK_MS = 40;

/**
 * The most operations a second, in 1e9, that one thread of this machine does of what products are made
 * of, with all numbers in registers or in the innermost cache. The best of several turns: the rest had
 * something else to do.
 */
async function peak(dtype, place) {
  const { default: start, peak } = await import('/pilot-light/wasm/cpu-relaxed/pilot_light.js');
  await start();
  const timed = (turns) => {
    const begin = performance.now();
    const operations = peak(dtype, place, turns);
    return { operations, ms: performance.now() - begin };
  };
  // Until the browser has compiled the loop for speed, which it does between two calls.
  for (let call = 0; call < 300; call += 1) peak(dtype, place, 200);
  await new Promise((resolve) => setTimeout(resolve, 300));
  let turns = 1000;
  while (timed(turns).ms < PEAK_MS) turns *= 2;
  return Math.max(...Array.from({ length: 7 }, () => timed(turns)).map(({ operations, ms }) => operations / ms / 1e6));
}

/** The same of our linear layers by themselves, for so many rows. */
async function linear(dtype, rows, threads) {
  const { env, model, tensor } = await import('pilot-light');
  Object.assign(env, { useBrowserCache: false, numThreads: threads });
  const layers = await model(`${PEERS}${MODEL}/onnx/linear.onnx`, { worker: false, device: 'wasm', int8: dtype === 'int8' });
  const x = tensor('float32', Float32Array.from({ length: rows * HIDDEN }, (_, i) => Math.sin(i)), [rows, HIDDEN]);
  const times = [];
  for (let i = 0; i < 12; i += 1) {
    const begin = performance.now();
    await layers.run({ x });
    times.push(performance.now() - begin);
  }
  await layers.dispose();
  return (rows * OPERATIONS) / Math.min(...times) / 1e6;
}

const HIDDEN = 384;
/** Of the six layers for each row, a multiplication and an addition being two. */
const OPERATIONS = 6 * 2 * (HIDDEN * 3 * HIDDEN + HIDDEN * HIDDEN + 2 * HIDDEN * 4 * HIDDEN);

globalThis.bench = { names: Object.keys(contenders), workload, cold, open, round, peak, linear };
