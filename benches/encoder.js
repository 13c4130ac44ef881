// Benchmark page: three programs that embed texts with the same weights; encoder.mjs drives it.
//
// All run in the page's own thread, with as many helper threads, with weights of the same type, and none caches files from one
// load to the next. A call gives the same result in each: normalised means, in CPU memory. Ours and transformers.js tokenise
// texts first, which takes microseconds a text; onnxruntime-web gets the tokens.
import { linear, peak } from './machine.js';

const MODEL = 'all-MiniLM-L6-v2';
/** Our own folders of it by the type of their weights. */
const OURS = { fp32: `/models/${MODEL}`, int8: `/bench/files/${MODEL}-int8` };
const MODULES = '/bench/node_modules/';
/** The folder of the same model for the other programs, with ONNX files made from the same weights. */
const PEERS = '/bench/files/';
/** The ONNX file by the type of its weights; `int8` is quantised by onnxruntime. */
const ONNX = { fp32: 'model.onnx', int8: 'model_quantized.onnx' };
/** Below this cosine the programs do not compute the same, and their times are not comparable; 8-bit programs round differently. */
const MIN_COSINE = { fp32: 0.9999, int8: 0.9 };

/**
 * name: opens the program on a device, 'wasm' or 'webgpu', with a type of weights and a number of threads; returns its function
 * from inputs to embeddings.
 */
const contenders = {
  async ours({ device, dtype, threads, build }) {
    const { env, pipeline } = await import('pilot-light');
    Object.assign(env, { useBrowserCache: false, numThreads: threads, cpuBuild: build ?? 'auto' });
    const embed = await pipeline('feature-extraction', OURS[dtype], { device, dtype, worker: false });
    if (embed.device.threads !== threads)
      throw new Error(`Ours runs ${embed.device.threads} threads, not ${threads}: ${embed.device.reason}`);
    return async ({ texts }) => rows(await embed(texts, { pooling: 'mean', normalize: true }));
  },

  async theirs({ device, dtype, threads }) {
    const ort = await (device === 'webgpu' ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm'));
    ort.env.wasm.numThreads = threads;
    // It fetches an address in the same way; in Node it would take it for a path.
    const file = await fetch(`${PEERS}${MODEL}/onnx/${ONNX[dtype]}`);
    const session = await ort.InferenceSession.create(new Uint8Array(await file.arrayBuffer()), {
      executionProviders: [device],
    });
    return async ({ ids }) => {
      const dims = [ids.length, ids[0].length];
      const filled = (value) => new ort.Tensor('int64', new BigInt64Array(dims[0] * dims[1]).fill(value), dims);
      const input_ids = new ort.Tensor('int64', BigInt64Array.from(ids.flat(), BigInt), dims);
      const { last_hidden_state } = await session.run({
        input_ids,
        attention_mask: filled(1n),
        token_type_ids: filled(0n),
      });
      return normalisedMeans(last_hidden_state);
    };
  },

  async transformers({ device, dtype, threads }) {
    const { pipeline } = await transformersJs(threads);
    const embed = await pipeline('feature-extraction', MODEL, { device, dtype: dtype === 'int8' ? 'q8' : dtype });
    return async ({ texts }) => rows(await embed(texts, { pooling: 'mean', normalize: true }));
  },
};

/** transformers.js, without access to remote models. */
async function transformersJs(numThreads = 1) {
  const library = await import('@huggingface/transformers');
  const { env } = library;
  Object.assign(env, {
    allowRemoteModels: false,
    allowLocalModels: true,
    localModelPath: PEERS,
    useBrowserCache: false,
    useWasmCache: false,
  });
  Object.assign(env.backends.onnx.wasm, {
    numThreads,
    wasmPaths: `${MODULES}@huggingface/transformers/node_modules/onnxruntime-web/dist/`,
  });
  return library;
}

function rows({ dims: [count, size], data }) {
  return Array.from({ length: count }, (_, i) => data.slice(i * size, (i + 1) * size));
}

/** The normalised mean over the tokens of each text; no text here is padded. */
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
const WORDS =
  'the river carried small boats past old stone houses while children watched from a narrow wooden bridge and waved'.split(
    ' ',
  );

/** `count` texts of exactly `length` tokens, including the two special ones, as texts and as token ids. */
async function workload([count, length]) {
  const tokenizer = await fetch(`${PEERS}${MODEL}/tokenizer.json`);
  const { vocab } = (await tokenizer.json()).model;
  const idOf = (token) => vocab[token] ?? missing(token);
  const words = Array.from({ length: count }, (_, row) =>
    Array.from({ length: length - 2 }, (_, i) => WORDS[(row + i) % WORDS.length]),
  );
  return {
    texts: words.map((row) => row.join(' ')),
    ids: words.map((row) => ['[CLS]', ...row, '[SEP]'].map(idOf)),
  };
}

function missing(token) {
  throw new Error(`'${token}' is no token of the vocabulary`);
}

/** The programs that are opened in this page. */
const opened = {};
let leastCosine;

/** Opens a program, for `round`: the time from the import to its first embedding, and that of the first call. */
async function cold(name, run, input) {
  leastCosine = MIN_COSINE[run.dtype];
  const start = performance.now();
  opened[name] = await contenders[name](run);
  const loaded = performance.now();
  await opened[name](input);
  const end = performance.now();
  return { cold_load_ms: end - start, first_run_ms: end - loaded };
}

/** Opens the `named` programs in this page, for `round`. */
async function open(run, named) {
  leastCosine = MIN_COSINE[run.dtype];
  for (const name of named) opened[name] = await contenders[name](run);
}

/**
 * One call of each program, interleaved, in milliseconds. Their outputs must agree. Each round starts with another program: the
 * first one follows a pause, which is a small disadvantage.
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
    const { length } = outputs.theirs;
    if (length === 0 || output.length !== length)
      throw new Error(`'${name}' gave ${output.length} embeddings, onnxruntime-web ${length}`);
    const worst = Math.min(...output.map((row, i) => dot(row, outputs.theirs[i])));
    if (!(worst >= leastCosine))
      throw new Error(
        `the outputs of '${name}' differ from onnxruntime-web's: cosine ${worst}, expected at least ${leastCosine}`,
      );
  }
  return times;
}

function dot(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

/** One call of an opened program. */
function call(name, input) {
  return opened[name](input);
}

globalThis.bench = { names: Object.keys(contenders), workload, cold, open, round, call, peak, linear };
