// Benchmark page: two programs that run the same ONNX files on the same inputs; models.mjs drives it.
//
// Both run in the page's own thread, with one thread, and take and return plain arrays.
import { cases } from './onnx-cases.js';

/** name: opens a file on a device, 'wasm' or 'webgpu'; returns its function from inputs to outputs. */
const contenders = {
  async ours(address, device) {
    const { env, model, tensor } = await import('pilot-light');
    Object.assign(env, { useBrowserCache: false, numThreads: 1 });
    const opened = await model(address, { device, worker: false });
    return { run: (inputs) => opened.run(tensors(inputs, ({ type, data, dims }) => tensor(type, data, dims))) };
  },

  /** Always on the CPU: the results of every device are compared with it. */
  async theirs(address) {
    const ort = await import('onnxruntime-web/wasm');
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(address, { executionProviders: ['wasm'] });
    return {
      types: Object.fromEntries(session.inputMetadata.map(({ name, type }) => [name, type])),
      run: (inputs) => session.run(tensors(inputs, ({ type, data, dims }) => new ort.Tensor(type, data, dims))),
    };
  },
};

function tensors(inputs, make) {
  return Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, make(input)]));
}

let opened;
let inputs;

/** Opens a model in both programs; returns the load times, the size of the file, and the number of inputs. */
async function open({ model, golden }, device) {
  const address = `/models/${model}`;
  const head = await fetch(address, { method: 'HEAD' });
  if (!head.ok) throw new Error(`${address} answered ${head.status}, expected 200`);
  opened = {};
  const load = {};
  for (const [name, open] of Object.entries(contenders)) {
    const start = performance.now();
    opened[name] = await open(address, device);
    load[name] = performance.now() - start;
  }
  inputs = await cases(golden, opened.theirs.types);
  if (inputs.length === 0) throw new Error(`there are no golden inputs for ${golden}`);
  return { load, bytes: Number(head.headers.get('content-length')), inputs: inputs.length };
}

/**
 * Runs every input through both programs, in milliseconds, with the largest difference of their outputs. The programs take turns
 * at going first: the first one follows a pause, which is a small disadvantage.
 */
async function round(index) {
  const times = { ours: [], theirs: [] };
  let difference = 0;
  for (const [number, input] of inputs.entries()) {
    const order = (index + number) % 2 ? ['theirs', 'ours'] : ['ours', 'theirs'];
    const outputs = {};
    for (const name of order) {
      const start = performance.now();
      outputs[name] = await opened[name].run(input);
      times[name].push(performance.now() - start);
    }
    difference = Math.max(difference, furthest(outputs.ours, outputs.theirs));
  }
  return { times, difference };
}

/** The largest absolute difference between two records of outputs; NaN counts as infinite. */
function furthest(ours, theirs) {
  if (Object.keys(theirs).length === 0) throw new Error('there are no outputs to compare');
  let worst = 0;
  for (const [name, { data, dims }] of Object.entries(theirs)) {
    const output = ours[name];
    if (String(output?.dims) !== String(dims))
      throw new Error(`the shape of '${name}' is [${output?.dims}], expected [${dims}]`);
    for (let i = 0; i < data.length; i += 1) {
      const difference = Math.abs(output.data[i] - data[i]);
      if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference;
    }
  }
  return worst;
}

/** The size of our WebAssembly memory; it never shrinks, so this is the peak. */
async function memory() {
  const { default: started, instance } = await import('/pilot-light/wasm/cpu-relaxed/pilot_light.js');
  await started();
  return instance()[1].buffer.byteLength;
}

globalThis.bench = { open, round, memory };
