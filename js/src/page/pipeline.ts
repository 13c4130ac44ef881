// Pipelines: `pipeline` loads a model for a task. What a task takes and gives is in its file under `tasks/`.
import { splitSignal, toTexts } from '../shared/check.js';
import { atInput } from '../shared/errors.js';
import type { TaskAdapter } from '../tasks/adapter.js';
import { type EngineTask, type Pipelines, TASKS, type Task } from '../tasks/index.js';
import type { Inputs } from '../types.js';
import { callable, Handle } from './handle.js';
import { informationExtraction } from './information-extraction.js';
import { type PipelineOptions, taskModel } from './load-options.js';
import { abstractiveSummarization, isDecoder } from './summarization.js';
import { textGeneration } from './text-generation.js';

/**
 * Loads a model for a task. The result is called with an input or an array of them, and gives what
 * transformers.js gives.
 *
 * @example
 * const embed = await pipeline('feature-extraction', '/models/all-MiniLM-L6-v2');
 * const { dims, data } = await embed(['one', 'two'], { pooling: 'mean', normalize: true });
 *
 * @param task What the model is for.
 * @param model The address of its folder, or its name; for `text-generation`, `summarization` and
 * `information-extraction` also that of a GGUF file, or of its first part.
 * @throws PilotLightError Its kind is 'invalid-input' for impossible options,
 * 'invalid-artefact' for files that are missing or wrong, 'unsupported' for an unknown
 * architecture, 'backend-unavailable' where the device cannot be had, 'cancelled' after an abort.
 */
export async function pipeline<T extends Task>(
  task: T,
  model: string,
  options: PipelineOptions = {},
): Promise<Pipelines[T]> {
  if (task === 'text-generation') return (await textGeneration(model, options)) as Pipelines[T];
  if (task === 'information-extraction') return (await informationExtraction(model, options)) as Pipelines[T];
  if (task === 'summarization' && (await isDecoder(model, options)))
    return (await abstractiveSummarization(model, options)) as Pipelines[T];
  const name = task as EngineTask;
  const handle = await Handle.load({ pipeline: taskModel(name, model, options) }, options);
  const call = (input: unknown, ...more: unknown[]): Promise<unknown> => run(handle, TASKS[name], input, more);
  return callable(call, handle, name) as unknown as Pipelines[T];
}

async function run(
  handle: Handle,
  task: TaskAdapter<string, unknown, unknown>,
  input: unknown,
  more: unknown[],
): Promise<unknown> {
  const { signal, rest } = splitSignal(task.options ? task.options(...more) : (more[0] as object | undefined));
  const options = { ...task.defaults, ...rest };
  const { read } = task;
  const texts = read ? [] : toTexts(input);
  return handle.call(signal, async () => {
    const inputs = read ? await readAll([input].flat(), read) : texts;
    const output = inputs.length === 0 ? task.empty : await handle.request('run', { inputs, options }, signal);
    return task.shape(output, Array.isArray(input), options);
  });
}

/** `inputs` as the model reads them. */
async function readAll(inputs: unknown[], read: NonNullable<TaskAdapter['read']>): Promise<Inputs> {
  const one = (input: unknown, index: number): Promise<Inputs[number]> =>
    read(input).catch((thrown) => {
      throw inputs.length === 1 ? thrown : atInput(thrown, index);
    });
  return (await Promise.all(inputs.map(one))) as Inputs;
}
