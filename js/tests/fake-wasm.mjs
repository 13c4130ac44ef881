// Fake of the WebAssembly side: the same interface, which `tsc -p tests` checks, answers that depend on their
// inputs, and texts that make it fail in the ways that the real one can.

/** @import * as Wasm from '../dist/wasm/cpu/pilot_light.js' */
/** @typedef {Parameters<Wasm.Pipeline['run']>[1]} Options */
/** @typedef {{ [K in Exclude<keyof typeof Wasm.Loader, 'prototype'>]: (typeof Wasm.Loader)[K] }} LoaderStatics */
/** @typedef {{ [K in Exclude<keyof typeof Wasm.Device, 'prototype'>]: (typeof Wasm.Device)[K] }} DeviceStatics */
/** @typedef {{ [K in Exclude<keyof typeof Wasm.Cascade, 'prototype'>]: (typeof Wasm.Cascade)[K] }} CascadeStatics */
/**
 * What the package takes of a build. Classes that it never constructs are here for their methods alone.
 * @typedef {object} Build
 * @property {() => Promise<unknown>} default
 * @property {DeviceStatics} Device
 * @property {LoaderStatics & (new (...args: ConstructorParameters<typeof Wasm.Loader>) => Wasm.Loader)} Loader
 * @property {CascadeStatics & (new (...args: ConstructorParameters<typeof Wasm.Cascade>) => Wasm.Cascade)} Cascade
 * @property {typeof Wasm.instance} instance
 * @property {typeof Wasm.parseToolCalls} parseToolCalls
 * @property {unknown[][]} log
 */

class KindError extends Error {
  /**
   * @param {Wasm.ErrorKind} kind
   * @param {string} message
   */
  constructor(kind, message, retryable = false) {
    super(message);
    Object.assign(this, { name: 'PilotLightError', kind, retryable });
  }
}

/** A value of which the tests read some fields alone. @type {(fields: object) => any} */
const partial = (fields) => fields;

/** The step of an answer. @param {object} fields */
const done = (fields) => ({ step: { done: /** @type {Wasm.Envelope} */ (partial(fields)) } });

/**
 * @param {{ webgpu?: boolean, rounds?: Wasm.FileRequest[][], refuses?: 'memory' | 'supply' | 'wants' | 'finish' }} settings
 * What refuses the files, if anything does; 'memory' where there is not enough of it.
 * @returns {Build}
 */
export function fakeWasm({ webgpu = true, rounds = [[{ name: 'config.json', optional: false }]], refuses } = {}) {
  /** @type {unknown[][]} */
  const log = [];
  /** @type {string | undefined} */
  let fault;
  let calls = 0;

  /** @implements {Wasm.Device} */
  class Device {
    /** @param {'wasm' | 'webgpu'} kind */
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
    static version() {
      return '1.2.3';
    }
    forModel() {
      return new Device(this.kind);
    }
    /** @param {number} elements */
    shareWithCpu(elements) {
      log.push(['share', elements]);
    }
    fault() {
      return this.kind === 'webgpu' ? fault : undefined;
    }
    free() {
      log.push(['free device']);
    }
  }

  /** @implements {Wasm.Loader} */
  class Loader {
    #device;
    #task;
    #rounds;
    /**
     * @param {Wasm.Device} device
     * @param {string} task
     * @param {Wasm.LoadOptions} options
     */
    constructor(device, task, options, ofFiles = rounds) {
      this.#device = device;
      this.#task = task;
      this.#rounds = [...ofFiles];
      this.dtype = options.dtype ?? 'fp32';
      this.hasIntegerOperators = this.dtype === 'int8';
    }
    /** @type {typeof Wasm.Loader.graph} */
    static graph(device, file, external, options) {
      if (external.some((name) => name.includes('/'))) throw new KindError('invalid-input', 'not next to the model');
      return new Loader(device, 'model', options, [[file, ...external].map((name) => ({ name, optional: false }))]);
    }
    /** @type {typeof Wasm.Loader.generator} */
    static generator(device, file, options) {
      return new Loader(device, 'text-generation', options, [[{ name: file ?? 'config.json', optional: false }]]);
    }
    wants() {
      if (refuses === 'wants' && this.#rounds.length === 0) throw new KindError('unsupported', 'no such architecture');
      return this.#rounds.shift() ?? [];
    }
    expect() {}
    /** @type {Wasm.Loader['supply']} */
    supply(name, chunk, last) {
      if (refuses === 'memory' && last) throw new KindError('invalid-input', `not enough memory for ${name}`, true);
      if (refuses === 'supply' && last) throw new KindError('invalid-artefact', `${name} ends too early`);
      log.push(['supply', name, chunk.length, last]);
    }
    /** @param {string} name */
    missing(name) {
      log.push(['missing', name]);
    }
    async finish() {
      if (refuses === 'finish') throw new KindError('invalid-artefact', 'the files do not fit each other');
      return new Pipeline(this.#device, this.#task);
    }
    async finishGraph() {
      return new Graph(this.#device);
    }
    async finishGenerator() {
      return new Generator(this.#device);
    }
    free() {
      log.push(['free loader']);
    }
  }

  /**
   * Gives what it is given.
   * @implements {Wasm.Graph}
   */
  class Graph {
    /** @type {Wasm.RawPort[]} */
    inputs = [{ name: 'x', type: 'float32', dims: ['batch', 2] }];
    /** @type {Wasm.RawPort[]} */
    outputs = [{ name: 'y', type: 'float32' }];
    #device;
    /** @param {Wasm.Device} device */
    constructor(device) {
      this.#device = device;
    }
    /** @param {Wasm.RawTensor[]} tensors */
    async run(tensors) {
      log.push(['runGraph', this.#device.kind, tensors.length]);
      const words = ['', 'panic', 'refuse', 'lose'];
      const first = tensors.map(({ bytes = new Uint8Array() }) => new Float32Array(bytes.slice().buffer)[0] ?? 0);
      misbehave(
        first.map((number) => words[number] ?? ''),
        this.#device,
      );
      return tensors.map((tensor) => ({ ...tensor, name: 'y' }));
    }
    async completes() {
      return true;
    }
    free() {
      log.push(['free graph']);
    }
  }

  /** @implements {Wasm.Pipeline} */
  class Pipeline {
    labels = ['yes', 'no'];
    #task;
    /**
     * @param {Wasm.Device} device
     * @param {string} task
     */
    constructor(device, task) {
      this.device = device;
      this.#task = task;
    }
    /** @type {Wasm.Pipeline['run']} */
    async run(inputs, options) {
      const texts = /** @type {string[]} */ (inputs);
      log.push(['run', this.device.kind, texts.length]);
      misbehave(texts, this.device);
      const stalls = texts.includes('stall') && this.device.kind === 'webgpu';
      if (stalls || texts.includes('hang')) return new Promise(() => undefined);
      if (this.#task === 'feature-extraction') {
        return { dims: [texts.length, 2], data: Float32Array.from(texts.flatMap((text) => [text.length, 1])) };
      }
      const { top_k } = /** @type {Wasm.TextClassificationOptions} */ (options);
      return texts.map((text) => [{ label: text, score: 1 }].slice(0, top_k ?? 1));
    }
    /**
     * The first word of each text is a name.
     * @type {Wasm.Pipeline['findPii']}
     */
    async findPii(inputs) {
      log.push(['findPii', this.device.kind, inputs.length]);
      return inputs.map((text) => [{ start: 0, end: text.indexOf(' '), label: 'NAME' }]);
    }
    free() {
      log.push(['free pipeline']);
    }
  }

  /**
   * Says the words of its prompt again.
   * @implements {Wasm.Generator}
   */
  class Generator {
    context = 100;
    needsGpu = false;
    #device;
    /** @param {Wasm.Device} device */
    constructor(device) {
      this.#device = device;
    }
    /** @type {Wasm.Generator['tokens']} */
    tokens(prompt, engine) {
      return Uint32Array.from(wordsOf(prompt, engine), (word) => word.length);
    }
    /** @type {Wasm.Generator['tokenBytes']} */
    tokenBytes(id) {
      return Uint8Array.of(64 + id);
    }
    /** @type {Wasm.Generator['start']} */
    start(prompt, options, engine) {
      log.push(['start']);
      return new Generation(this.#device, wordsOf(prompt, engine), options.max_new_tokens ?? 100);
    }
    /** @type {Wasm.Generator['extract']} */
    extract(text, { schema }) {
      return new Extraction(text, schema);
    }
    /** @type {Wasm.Generator['summarize']} */
    summarize(text) {
      return new AbstractiveSummary(text, () => partial({ summary_text: text }));
    }
    free() {
      log.push(['free generator']);
    }
  }

  /**
   * Takes a step for each word of its text.
   * @template T
   */
  class InSteps {
    #words;
    #result;
    /**
     * @param {string} text
     * @param {() => T} result
     */
    constructor(text, result) {
      this.#words = text.split(' ');
      this.#result = result;
    }
    get complete() {
      return this.#words.length === 0;
    }
    next() {
      const word = this.#words.shift() ?? '';
      log.push(['step', word]);
      return word;
    }
    /** @returns {T} */
    finish() {
      return this.#result();
    }
    free() {
      log.push(['free work']);
    }
  }

  /**
   * A summary, to which each step adds a word.
   * @extends {InSteps<Wasm.Summary>}
   * @implements {Wasm.AbstractiveSummary}
   */
  class AbstractiveSummary extends InSteps {
    async step() {
      return this.next();
    }
  }

  /**
   * A record of a text and its schema.
   * @extends {InSteps<Wasm.ExtractedRecord>}
   * @implements {Wasm.Extraction}
   */
  class Extraction extends InSteps {
    /**
     * @param {string} text
     * @param {string} schema
     */
    constructor(text, schema) {
      super(text, () => partial({ value: { text, schema }, fields: [] }));
      this.text = text;
    }
    async step() {
      this.next();
    }
    /** @type {Wasm.Extraction['examples']} */
    examples(truth) {
      return [{ confidence: 0.5, correct: truth.value === this.text }];
    }
  }

  /** @implements {Wasm.Generation} */
  class Generation {
    #device;
    #words;
    #most;
    #said = '';
    #steps = 0;
    /**
     * @param {Wasm.Device} device
     * @param {string[]} words
     * @param {number} most
     */
    constructor(device, words, most) {
      this.#device = device;
      this.#words = words;
      this.#most = most;
    }
    get complete() {
      return this.#steps >= Math.min(this.#words.length, this.#most);
    }
    async step() {
      const given = this.#words[this.#steps] ?? '';
      // Devices may generate different texts.
      const word = given === 'device' ? this.#device.kind : given;
      log.push(['step', word]);
      misbehave([word], this.#device);
      this.#steps += 1;
      this.#said += `${word} `;
      return { text: `${word} `, tokens: [{ id: word.length, logprob: -1, bytes: [], top: [{ id: 1, logprob: -2 }] }] };
    }
    /** @returns {Wasm.Reply} */
    finish() {
      log.push(['finish', this.#steps]);
      return partial({ text: this.#said, finish_reason: this.#steps < this.#words.length ? 'length' : 'stop' });
    }
    free() {
      log.push(['free generation']);
    }
  }

  /**
   * @param {Wasm.GenerationPrompt} prompt
   * @param {(template: string, variables: string) => string} engine
   */
  function wordsOf(prompt, engine) {
    if ('text' in prompt) return prompt.text.split(' ');
    if ('infill' in prompt) return [prompt.infill.prefix, prompt.infill.suffix];
    return engine('{{ messages[0].content }}', JSON.stringify(prompt.chat)).split(' ');
  }

  /**
   * Delegates texts that begin with 'hard', and answers the others itself.
   * @implements {Wasm.Cascade}
   */
  class Cascade {
    /** @type {(Wasm.Calibration | null)[]} */
    calibrations;
    thresholds;
    #pipeline;
    /** @type {Map<number, string>} */
    #texts = new Map();
    /** @type {string[]} */
    #added = [];
    /** @type {string[]} */
    #spent = [];
    /** @param {Wasm.Pipeline[]} pipelines */
    constructor(pipelines) {
      this.#pipeline = /** @type {Pipeline} */ (pipelines[0]);
      this.thresholds = Float64Array.from(pipelines, () => 0.5);
      this.calibrations = pipelines.map(() => null);
    }
    /** @type {Wasm.Cascade['decide']} */
    async decide(inputs, _options, thresholds, must_stay_local, provenance) {
      log.push(['decide', inputs.length], ['provenance', provenance]);
      misbehave(inputs, this.#pipeline.device);
      return inputs.map((text) => {
        if (!must_stay_local && text.startsWith('hard')) return this.#delegate(text);
        this.#added.push(text);
        const check = text.startsWith('check') ? { check: { call: ++calls, redact: false } } : {};
        return { ...done({ output: text, route: 'local', thresholds: [...thresholds] }), ...check };
      });
    }
    /**
     * What it has learnt: a byte for each label.
     * @type {number[]}
     */
    #learnt = [];
    #untrained = 0;
    /** @type {Wasm.Cascade['learn']} */
    async learn(state, leads) {
      log.push(['learn', [...(state ?? [])], leads]);
      if (state?.[0] === 255) throw Object.assign(new Error('the state is broken'), { kind: 'invalid-artefact' });
      this.#learnt = [...(state ?? [])];
      return false;
    }
    learningState() {
      return Uint8Array.from(this.#learnt);
    }
    /** @type {Wasm.Cascade['joinLearning']} */
    async joinLearning(state) {
      this.#learnt.push(...state);
    }
    /** @type {Wasm.Cascade['learningReport']} */
    learningReport() {
      return partial({ counters: partial({ labels: this.#learnt.length }), examples: [this.#learnt.length] });
    }
    /** @type {Wasm.Cascade['train']} */
    train(operations) {
      if (this.#untrained === 0) return false;
      log.push(['train', operations]);
      this.#untrained -= 1;
      return this.#untrained > 0;
    }
    rollBack() {
      this.#learnt.pop();
    }
    takeLabels() {
      return [];
    }
    /** @type {Wasm.Cascade['giveLabel']} */
    giveLabel(label) {
      this.#learnt.push(...label);
      this.#untrained += 3;
    }
    /** @type {Wasm.Cascade['exportHead']} */
    exportHead(folder) {
      return partial({ config: folder, weights: this.learningState(), free: () => undefined });
    }
    /** @type {typeof Wasm.Cascade.ofGenerator} */
    static ofGenerator(generator) {
      return new Cascade([partial({ generator })]);
    }
    get readsRecords() {
      return 'generator' in this.#pipeline;
    }
    /** @type {Wasm.Cascade['extract']} */
    extract(text, { schema }) {
      return new Extraction(text, schema);
    }
    /** @type {Wasm.Cascade['decideRecord']} */
    decideRecord(extraction, latency_ms, threshold, must_stay_local) {
      const { text } = /** @type {Extraction} */ (extraction);
      log.push(['decideRecord', text]);
      misbehave([text], partial({ kind: 'wasm' }));
      if (!must_stay_local && text.startsWith('hard')) return this.#delegate(text);
      this.#added.push(text);
      return done({ output: extraction.finish(), route: 'local', latency_ms, threshold });
    }
    /** @type {Wasm.Cascade['consultRecord']} */
    consultRecord(text) {
      log.push(['consultRecord', text]);
      return this.#delegate(text);
    }
    /** @type {Wasm.Cascade['consult']} */
    consult(inputs) {
      log.push(['consult', inputs.length]);
      return inputs.map((text) => this.#delegate(text));
    }
    /** @param {string} text */
    #delegate(text) {
      this.#texts.set(++calls, text);
      return { step: { delegate: { call: calls, redact: false } } };
    }
    /** @type {Wasm.Cascade['enqueue']} */
    enqueue(call, stream) {
      const body = JSON.stringify({ text: this.#text(call) });
      const key_header = { name: 'authorization', prefix: 'Bearer ' };
      const payload = { http: { path: '/chat/completions', headers: [], key_header, body } };
      return { step: { send: { call, remote: 0, payload, stream, delay_ms: 0, deadline_ms: 1000 } } };
    }
    /** @type {Wasm.Cascade['resume']} */
    resume(call) {
      log.push(['resume', call]);
      return this.enqueue(call, false, undefined);
    }
    /** @type {Wasm.Cascade['feed']} */
    feed(call, bytes, last) {
      return { text: `${this.#text(call)} ${bytes.length}`, over: last };
    }
    /** @type {Wasm.Cascade['receive']} */
    receive(call, event) {
      const output = this.#text(call);
      this.#texts.delete(call);
      return done({ output, route: event.type === 'response' ? 'remote' : 'local', event });
    }
    /** @type {Wasm.Cascade['decline']} */
    decline(call, reason, detail) {
      const output = this.#text(call);
      this.#texts.delete(call);
      return done({ output, route: 'local', reason, detail });
    }
    /** @type {Wasm.Cascade['scoreExamples']} */
    async scoreExamples(tier, inputs, truths) {
      log.push(['scoreExamples', tier, inputs.length, truths.length]);
      misbehave(inputs, this.#pipeline.device);
      return truths.map((truth, i) => ({ confidence: i, correct: 'label' in truth && truth.label === inputs[i] }));
    }
    /** @type {Wasm.Cascade['calibrate']} */
    calibrate(tier, examples, labels) {
      return partial({ calibration: { threshold: 0.7 }, report: { n: examples.length, labels, tier } });
    }
    /** @type {Wasm.Cascade['explain']} */
    explain({ output }) {
      return `It is ${JSON.stringify(output)}.`;
    }
    /** @param {number} call */
    #text(call) {
      const text = this.#texts.get(call);
      if (text === undefined) throw new KindError('internal', `call ${call} is not known`);
      return text;
    }
    /** @type {Wasm.Cascade['startLabelling']} */
    startLabelling(texts, batch) {
      return this.advanceLabelling(partial({ texts, batch, next: 0 }), []);
    }
    /** @type {Wasm.Cascade['advanceLabelling']} */
    advanceLabelling(state) {
      const next = Math.min(state.texts, state.next + state.batch);
      const asked = Array.from({ length: next - state.next }, (_, i) => state.next + i);
      const step = asked.length === 0 ? /** @type {const} */ ('done') : { ask: { texts: asked, delay_ms: 0 } };
      return { state: { ...state, next }, step };
    }
    takeRecord() {
      return this.#added.length === 0 ? undefined : JSON.stringify(this.#added.splice(0));
    }
    /** @type {Wasm.Cascade['readUsage']} */
    readUsage(records) {
      const merged = JSON.stringify(records.flatMap((record) => JSON.parse(record)));
      return { merged, invalid_records: [], summary: partial({}) };
    }
    /** @type {Wasm.Cascade['absorb']} */
    absorb(remote, json) {
      this.#spent[remote] = json;
    }
    spending() {
      return this.#spent.map((json) => `${json}+`);
    }
    /** @param {number} call */
    abandon(call) {
      log.push(['abandon', call]);
      this.#texts.delete(call);
      return undefined;
    }
    free() {
      log.push(['free cascade']);
    }
  }

  /**
   * @param {string[]} inputs
   * @param {Wasm.Device} device
   */
  function misbehave(inputs, device) {
    if (inputs.includes('panic')) throw new WebAssembly.RuntimeError('unreachable');
    const index = inputs.indexOf('long');
    if (index >= 0) throw Object.assign(new KindError('invalid-input', 'the text is too long'), { index });
    if (inputs.includes('refuse')) throw new KindError('invalid-input', 'refused');
    if (inputs.includes('lose') && device.kind === 'webgpu') fault = 'the device was lost';
  }

  /** @type {Build['instance']} */
  const instance = () => {
    throw new KindError('internal', 'a fake has no memory to share');
  };
  /** @type {Build['parseToolCalls']} */
  const parseToolCalls = (text) => ({ content: text, tool_calls: [] });
  return { default: async () => undefined, instance, Device, Loader, Cascade, parseToolCalls, log };
}

/**
 * Answers `fetch` from a table of address to response; everything else does not exist.
 * @param {Record<string, (init: RequestInit) => Response>} files
 */
export function fakeFetch(files) {
  /** @type {string[]} */
  const requests = [];
  globalThis.fetch = async (url, init = {}) => {
    init.signal?.throwIfAborted();
    requests.push(`${init.method ?? 'GET'} ${url}`);
    const make = files[String(url)];
    return make === undefined ? new Response('nothing', { status: 404 }) : make(init);
  };
  return requests;
}
