// What is run on both devices to choose one: small inputs of a model.
import { ARRAYS } from '../page/tensor.js';
import { isTrap, PilotLightError } from '../shared/errors.js';
import type { MeasuredInput } from '../tasks/adapter.js';
import { type EngineTask, TASKS } from '../tasks/index.js';
import type { Generator, Graph, Inputs, Pipeline, RawPort, RawTensor } from '../types.js';
import { trapped } from './builds.js';
import { end, render } from './in-steps.js';

/** Tokens of a reply. */
const TOKENS = 3;
/** Tokens of texts: a short sentence and a paragraph. Free dimensions of graphs are as long. */
const LENGTHS = [16, 128] as const;
/** More elements than an input of a graph may have. */
const MOST = 1 << 22;

/** A run that is timed. */
export interface Sample {
  /** Elements of the largest input, which are tokens for a model of texts. */
  elements: number;
  /** What it is, in words that mean several. */
  name: string;
  /** Asks from time to time whether to go on, if it can; `false` where it did not. */
  run(goOn: () => Promise<boolean>): Promise<unknown>;
}

/** Runs of a model for a task, the smaller one first. */
export function taskSamples(task: EngineTask, pipeline: Pipeline): Sample[] {
  const inputs = TASKS[task].measured?.() ?? texts(task);
  return inputs.map(({ input, options = {}, ...sample }) => ({
    ...sample,
    run: () => trapped(() => pipeline.run([input] as Inputs, options)),
  }));
}

function texts(task: EngineTask): MeasuredInput[] {
  const options = task === 'zero-shot-classification' ? { candidate_labels: ['light'] } : {};
  return LENGTHS.map((tokens) => {
    // Two tokens mark the beginning and the end of a text.
    const words = Array<string>(tokens - 2).fill('light');
    return { input: words.join(' '), options, elements: tokens, name: `${tokens} tokens` };
  });
}

/** A short reply of a model that generates text. */
export function generatorSamples(generator: Generator): Sample[] {
  const run: Sample['run'] = async (goOn) => {
    // Drafts would make some tokens dearer than others.
    const options = { max_new_tokens: TOKENS, prompt_lookup: false };
    const generation = generator.start({ text: 'light' }, options, render);
    let goesOn = true;
    try {
      while (goesOn && !generation.complete) {
        await trapped(() => generation.step(goOn));
        goesOn = await goOn();
      }
    } catch (thrown) {
      // After a trap nothing of it can be used.
      if (!isTrap(thrown)) end(generation);
      throw thrown;
    }
    const { complete } = generation;
    end(generation);
    return complete;
  };
  return [{ elements: 1, name: `replies of ${TOKENS} tokens`, run }];
}

/**
 * Runs of a graph, the smaller one first. A free dimension that comes first is 1; where others are free there are two
 * sizes.
 *
 * @throws PilotLightError kind 'unsupported' where the file says too little of its inputs, or one is too large.
 */
export function graphSamples(graph: Graph): Sample[] {
  const ports = graph.inputs;
  const isFixed = ports.every(({ dims = [] }) => dims.slice(1).every((dim) => typeof dim === 'number'));
  return LENGTHS.slice(0, isFixed ? 1 : undefined).map((length) => {
    const inputs = ports.map((port) => tensorOf(port, length));
    const dims = inputs.reduce<number[]>((most, { dims }) => (count(dims) > count(most) ? dims : most), []);
    const name = `inputs of ${dims.join(' × ') || 1}`;
    return { elements: count(dims), name, run: (goOn) => trapped(() => graph.completes(inputs, goOn)) };
  });
}

function tensorOf({ name, type, dims: given }: RawPort, length: number): RawTensor {
  if (type === 'string' || given === undefined)
    throw new PilotLightError('unsupported', `the file does not say what the input '${name}' may be`);
  const dims = given.map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? 1 : length));
  if (count(dims) > MOST) throw new PilotLightError('unsupported', `the input '${name}' is too large`);
  return { name, type, dims, bytes: filled(type, count(dims)) };
}

/** So many zeros; of integers ones, which are an id in every vocabulary, a length, and true. */
function filled(type: keyof typeof ARRAYS, count: number): Uint8Array {
  const array = new ARRAYS[type](count);
  if (array instanceof BigInt64Array || array instanceof BigUint64Array) array.fill(1n);
  else if (!type.startsWith('float')) array.fill(1);
  return new Uint8Array(array.buffer);
}

function count(dims: number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}
