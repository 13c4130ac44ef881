// The page's half of the comparison: three programs that embed texts with the same weights.
//
// All of them run in the page's own thread, with one thread and in single precision, and none keeps
// files from one load to the next. What a call gives is the same: normalised means, on the CPU's side.
// Ours and transformers.js are given texts and turn them into tokens first, which takes microseconds
// a text; onnxruntime-web is given the tokens.

const MODEL = 'all-MiniLM-L6-v2';
const MODULES = '/bench/node_modules/';
/** The folder of the same model as the peers have it, with an ONNX made from the same weights. */
const PEERS = '/bench/files/';
/** Below this the programs do not compute the same, and their times say nothing. */
const MIN_COSINE = 0.9999;

/** name: opens it on a device, 'wasm' or 'webgpu', and gives its function from inputs to embeddings. */
const contenders = {
  async ours(device) {
    const { env, pipeline } = await import('pilot-light');
    env.useBrowserCache = false;
    const embed = await pipeline('feature-extraction', `/models/${MODEL}`, { device, dtype: 'fp32', worker: false });
    return async ({ texts }) => rows(await embed(texts, { pooling: 'mean', normalize: true }));
  },

  async theirs(device) {
    const ort = await (device === 'webgpu' ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm'));
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(`${PEERS}${MODEL}/onnx/model.onnx`, { executionProviders: [device] });
    return async ({ ids }) => {
      const dims = [ids.length, ids[0].length];
      const filled = (value) => new ort.Tensor('int64', new BigInt64Array(dims[0] * dims[1]).fill(value), dims);
      const input_ids = new ort.Tensor('int64', BigInt64Array.from(ids.flat(), BigInt), dims);
      const { last_hidden_state } = await session.run({ input_ids, attention_mask: filled(1n), token_type_ids: filled(0n) });
      return normalisedMeans(last_hidden_state);
    };
  },

  async transformers(device) {
    const { pipeline } = await transformersJs();
    const embed = await pipeline('feature-extraction', MODEL, { device, dtype: 'fp32' });
    return async ({ texts }) => rows(await embed(texts, { pooling: 'mean', normalize: true }));
  },
};

/** transformers.js, looking nowhere but here. */
async function transformersJs() {
  const library = await import('@huggingface/transformers');
  const { env } = library;
  Object.assign(env, { allowRemoteModels: false, allowLocalModels: true, localModelPath: PEERS, useBrowserCache: false, useWasmCache: false });
  Object.assign(env.backends.onnx.wasm, { numThreads: 1, wasmPaths: `${MODULES}@huggingface/transformers/node_modules/onnxruntime-web/dist/` });
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
async function cold(name, device, input) {
  const start = performance.now();
  const embed = await contenders[name](device);
  const loaded = performance.now();
  await embed(input);
  const end = performance.now();
  return { cold_load_ms: end - start, first_run_ms: end - loaded };
}

let opened;
/** Opens all of them in this page, for `round`. */
async function open(device) {
  opened = {};
  for (const [name, load] of Object.entries(contenders)) opened[name] = await load(device);
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
    if (!(worst >= MIN_COSINE)) throw new Error(`The outputs of '${name}' differ from onnxruntime-web's: cosine ${worst}.`);
  }
  return times;
}

function dot(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

globalThis.bench = { names: Object.keys(contenders), workload, cold, open, round };
