// A WebAssembly side without WebAssembly: the same interface, answers that can be told from their
// inputs, and texts that make it fail in the ways that the real one can.

class KindError extends Error {
  constructor(kind, message, retryable = false) {
    super(message);
    Object.assign(this, { name: 'PilotLightError', kind, retryable });
  }
}

export function fakeWasm({ webgpu = true, rounds = [[{ name: 'config.json', optional: false }]] } = {}) {
  const log = [];
  let fault;
  let calls = 0;

  class Device {
    constructor(kind) {
      this.kind = kind;
      this.adapter = kind === 'webgpu' ? 'fake adapter' : '';
    }
    static cpu() {
      return new Device('wasm');
    }
    static async webgpu() {
      if (!webgpu) throw new KindError('backend-unavailable', 'the golden input disagrees');
      return new Device('webgpu');
    }
    fault() {
      return this.kind === 'webgpu' ? fault : undefined;
    }
  }

  class Loader {
    dtype = 'fp32';
    #device;
    #task;
    #rounds;
    constructor(device, task, options, ofFiles = rounds) {
      this.#device = device;
      this.#task = task;
      this.#rounds = [...ofFiles];
      this.dtype = options.dtype ?? 'fp32';
    }
    static graph(device, file, external, options) {
      if (external.some((name) => name.includes('/'))) throw new KindError('invalid-input', 'not beside the model');
      return new Loader(device, 'model', options, [[file, ...external].map((name) => ({ name, optional: false }))]);
    }
    wants() {
      return this.#rounds.shift() ?? [];
    }
    expect() {}
    supply(name, chunk, last) {
      log.push(['supply', name, chunk.length, last]);
    }
    missing(name) {
      log.push(['missing', name]);
    }
    async finish() {
      return new Pipeline(this.#device, this.#task);
    }
    async finishGraph() {
      return new Graph(this.#device);
    }
    free() {
      log.push(['free loader']);
    }
  }

  /** Gives what it is given. */
  class Graph {
    inputs = [{ name: 'x', type: 'float32', dims: ['batch', 2] }];
    outputs = [{ name: 'y', type: 'float32' }];
    constructor(device) {
      this.device = device;
    }
    async run(tensors) {
      log.push(['runGraph', this.device.kind, tensors.length]);
      misbehave(
        tensors.map(({ bytes }) => ({ 1: 'panic', 2: 'refuse', 3: 'lose' })[new Float32Array(bytes.slice().buffer)[0]]),
        this.device,
      );
      return tensors.map((tensor) => ({ ...tensor, name: 'y' }));
    }
    free() {
      log.push(['free graph']);
    }
  }

  class Pipeline {
    labels = ['yes', 'no'];
    constructor(device, task) {
      this.device = device;
      this.task = task;
    }
    async run(inputs, options) {
      log.push(['run', this.device.kind, inputs.length]);
      misbehave(inputs, this.device);
      if (inputs.includes('hang')) return new Promise(() => undefined);
      if (this.task === 'feature-extraction')
        return { dims: [inputs.length, 2], data: Float32Array.from(inputs.flatMap((text) => [text.length, 1])) };
      return inputs.map((text) => [{ label: text, score: 1 }].slice(0, options.top_k ?? 1));
    }
    free() {
      log.push(['free pipeline']);
    }
  }

  class Cascade {
    #texts = new Map();
    #added = [];
    constructor(pipelines, config) {
      [this.pipeline] = pipelines;
      this.pipelines = pipelines;
      this.thresholds = pipelines.map(() => 0.5);
      this.calibrations = pipelines.map(() => null);
      this.config = config;
    }
    async decide(inputs, _options, thresholds) {
      misbehave(inputs, this.pipeline.device);
      return inputs.map((text) => {
        if (!text.startsWith('hard')) {
          this.#added.push(text);
          return { step: { done: { output: text, route: 'local', thresholds: [...thresholds] } } };
        }
        this.#texts.set(++calls, text);
        return { step: { delegate: { call: calls, redact: false } } };
      });
    }
    begin(call) {
      const body = JSON.stringify({ text: this.#text(call) });
      return {
        step: {
          send: { call, remote: 0, path: '/chat/completions', body, stream: false, delay_ms: 0, deadline_ms: 1000 },
        },
      };
    }
    resume(call, event) {
      const output = this.#text(call);
      this.#texts.delete(call);
      return { step: { done: { output, route: event.type === 'response' ? 'remote' : 'local', event } } };
    }
    #text(call) {
      const text = this.#texts.get(call);
      if (text === undefined) throw new KindError('internal', `call ${call} is not known`);
      return text;
    }
    record() {
      return this.#added.length === 0 ? undefined : JSON.stringify(this.#added.splice(0));
    }
    ledger(records) {
      return { merged: JSON.stringify(records.flatMap((record) => JSON.parse(record))), strange: [] };
    }
    abandon(call) {
      log.push(['abandon', call]);
      this.#texts.delete(call);
    }
    free() {
      log.push(['free cascade']);
    }
  }

  function misbehave(inputs, device) {
    if (inputs.includes('panic')) throw new WebAssembly.RuntimeError('unreachable');
    if (inputs.includes('refuse')) throw new KindError('invalid-input', 'refused');
    if (inputs.includes('lose') && device.kind === 'webgpu') fault = 'the device was lost';
  }

  return { default: async () => undefined, Device, Loader, Pipeline, Cascade, log };
}

/** Answers `fetch` from a table of address to response; everything else is not there. */
export function fakeFetch(files) {
  const requests = [];
  globalThis.fetch = async (url, init = {}) => {
    init.signal?.throwIfAborted();
    requests.push(`${init.method ?? 'GET'} ${url}`);
    const make = files[String(url)];
    return make === undefined ? new Response('nothing', { status: 404 }) : make();
  };
  return requests;
}
