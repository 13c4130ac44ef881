import { callable, type Disposable, Handle, type PipelineOptions } from './handle.js';
import { invalid, splitSignal, toInputs } from './input.js';
import { type AudioInput, type FileInput, type ImageInput, toBytes, toPixels, toSamples } from './media.js';
import { toTensor } from './shapes.js';
import type { Tensor } from './tensor.js';
import type {
  Classification,
  Entity,
  EntityGroup,
  Features,
  FileClassification,
  ImageText,
  ImageToTextOptions,
  Inputs,
  RunOptions,
  SpeechOptions,
  SpeechSegment,
  Task,
  ZeroShot,
} from './types.js';

/** What every call takes. */
export interface CallOptions {
  /** Aborts the call. */
  signal?: AbortSignal;
}

/** Options of `feature-extraction`. */
export type FeatureExtractionOptions = CallOptions & Pick<RunOptions, 'pooling' | 'normalize'>;
/** Options of `text-classification`; `top_k` is 1 by default, and null gives all labels. */
export type TextClassificationOptions = CallOptions & Pick<RunOptions, 'top_k'>;
/** Options of `token-classification`. */
export type TokenClassificationOptions = CallOptions & Pick<RunOptions, 'aggregation_strategy'>;
/** Options of `zero-shot-classification`. */
export type ZeroShotOptions = CallOptions & Pick<RunOptions, 'hypothesis_template' | 'multi_label'>;

/** Options of `file-classification`; `top_k` is 1 by default, and null gives all labels. */
export type FileClassificationOptions = CallOptions & Pick<RunOptions, 'top_k'>;
/** Options of `voice-activity-detection`; names, meanings and defaults are those of silero-vad. */
export type VoiceActivityDetectionOptions = CallOptions & Partial<SpeechOptions>;

/** Options of `image-to-text`. */
export type ImageToTextCallOptions = CallOptions & Partial<ImageToTextOptions>;

/** Turns texts into vectors. */
export interface FeatureExtractionPipeline extends Disposable {
  (texts: string | string[], options?: FeatureExtractionOptions): Promise<Tensor<'float32'>>;
}

/** Gives texts labels. With the default `top_k` of 1, one for each text. */
export interface TextClassificationPipeline extends Disposable {
  (text: string, options?: TextClassificationOptions): Promise<Classification[]>;
  (texts: string[], options?: CallOptions & { top_k?: 1 }): Promise<Classification[]>;
  (texts: string[], options: TextClassificationOptions): Promise<Classification[][]>;
}

/** Finds entities in texts; offsets are in UTF-16 units, as JavaScript's strings are. */
export interface TokenClassificationPipeline extends Disposable {
  (text: string, options: TokenClassificationOptions & { aggregation_strategy: 'simple' }): Promise<EntityGroup[]>;
  (texts: string[], options: TokenClassificationOptions & { aggregation_strategy: 'simple' }): Promise<EntityGroup[][]>;
  (text: string, options?: TokenClassificationOptions): Promise<Entity[]>;
  (texts: string[], options?: TokenClassificationOptions): Promise<Entity[][]>;
}

/** Gives texts labels that the model was not trained on. */
export interface ZeroShotClassificationPipeline extends Disposable {
  (text: string, candidate_labels: string | string[], options?: ZeroShotOptions): Promise<ZeroShot>;
  (texts: string[], candidate_labels: string | string[], options?: ZeroShotOptions): Promise<ZeroShot[]>;
}

/**
 * Tells what files are. With the default `top_k` of 1 that is the answer, one for each file: `txt` or `unknown`
 * where the model is not sure enough of any other; with more, the model's own labels, the likeliest first.
 */
export interface FileClassificationPipeline extends Disposable {
  (file: FileInput, options?: FileClassificationOptions): Promise<Classification[]>;
  (files: FileInput[], options?: CallOptions & { top_k?: 1 }): Promise<Classification[]>;
  (files: FileInput[], options: FileClassificationOptions): Promise<Classification[][]>;
}

/** Finds where somebody speaks, in seconds. */
export interface VoiceActivityDetectionPipeline extends Disposable {
  (sound: AudioInput, options?: VoiceActivityDetectionOptions): Promise<SpeechSegment[]>;
  (sounds: AudioInput[], options?: VoiceActivityDetectionOptions): Promise<SpeechSegment[][]>;
}

/** Reads the text in pictures: all of it as `generated_text`, and each line with its score and the corners of its box. */
export interface ImageToTextPipeline extends Disposable {
  (picture: ImageInput, options?: ImageToTextCallOptions): Promise<ImageText[]>;
  (pictures: ImageInput[], options?: ImageToTextCallOptions): Promise<ImageText[][]>;
}

/** The pipeline of each task. */
export interface Pipelines {
  'feature-extraction': FeatureExtractionPipeline;
  'text-classification': TextClassificationPipeline;
  'token-classification': TokenClassificationPipeline;
  'zero-shot-classification': ZeroShotClassificationPipeline;
  'file-classification': FileClassificationPipeline;
  'voice-activity-detection': VoiceActivityDetectionPipeline;
  'image-to-text': ImageToTextPipeline;
}

/**
 * Loads a model for a task. The result is called with an input or an array of them, and gives what
 * transformers.js gives.
 *
 * @example
 * const embed = await pipeline('feature-extraction', '/models/all-MiniLM-L6-v2');
 * const { dims, data } = await embed(['one', 'two'], { pooling: 'mean', normalize: true });
 *
 * @param task What the model is for.
 * @param model The address of its folder, or its name.
 * @throws PilotLightError Its kind is 'invalid-input' for options that make no sense,
 * 'invalid-artefact' for files that are missing or wrong, 'unsupported' for an architecture that is
 * not known, 'backend-unavailable' where the device cannot be had, 'cancelled' after an abort.
 */
export async function pipeline<T extends Task>(
  task: T,
  model: string,
  options: PipelineOptions = {},
): Promise<Pipelines[T]> {
  const handle = await Handle.load(task, model, options);
  const call = (input: unknown, ...more: unknown[]): Promise<unknown> => run(handle, input, more);
  return callable(call, handle) as unknown as Pipelines[T];
}

async function run(handle: Handle, input: unknown, more: unknown[]): Promise<unknown> {
  const { task } = handle;
  const { signal, rest } = splitSignal<CallOptions & RunOptions>(optionsOf(task, more));
  const options: RunOptions = ONE_LABEL.has(task) ? { top_k: 1, ...rest } : rest;
  const read = READERS[task];
  const texts = read ? [] : toInputs(input);
  return handle.call(signal, async () => {
    const inputs = read ? ((await Promise.all(([input] as never[]).flat().map(read))) as Inputs) : texts;
    const output = inputs.length === 0 ? nothing(task) : await handle.request('run', { inputs, options }, signal);
    return shape(task, output, Array.isArray(input), options.top_k);
  });
}

/** Those whose every input has a single label by default. */
const ONE_LABEL: ReadonlySet<Task> = new Set<Task>(['text-classification', 'file-classification']);

/** What makes of a task's input what its model reads; texts need none. */
const READERS: Partial<Record<Task, (input: never) => Promise<Inputs[number]>>> = {
  'file-classification': toBytes,
  'voice-activity-detection': toSamples,
  'image-to-text': toPixels,
};

/** The options of a call; those of `zero-shot-classification` may come after the labels. */
function optionsOf(task: Task, more: unknown[]): (CallOptions & RunOptions) | undefined {
  const [first, second] = more;
  if (task !== 'zero-shot-classification' || !(typeof first === 'string' || Array.isArray(first)))
    return first as CallOptions | undefined;
  const labels: unknown[] = Array.isArray(first) ? first : [first];
  if (labels.some((label) => typeof label !== 'string')) throw invalid('The candidate labels must be strings.');
  return { ...(second as CallOptions | undefined), candidate_labels: labels as string[] };
}

function nothing(task: Task): unknown {
  return task === 'feature-extraction' ? { dims: [0, 0], data: new Float32Array(0) } : [];
}

/** The output, which has an entry for each input, in the shape of transformers.js. */
export function shape(task: Task, output: unknown, many: boolean, topK: number | null | undefined): unknown {
  if (task === 'feature-extraction') return toTensor(output as Features);
  const entries =
    task === 'file-classification'
      ? (output as FileClassification[]).map((found) => labelsOf(found, topK))
      : (output as unknown[]);
  // One label each needs no list of lists.
  if (ONE_LABEL.has(task) && topK === 1) return (entries as Classification[][]).flat();
  // As transformers.js has it, a picture's text is a list of one.
  const shaped = task === 'image-to-text' ? entries.map((text) => [text]) : entries;
  return many ? shaped : shaped[0];
}

/** Of a single label it is the answer that counts, and not what the model would have said if it were sure enough. */
function labelsOf({ label, score, labels }: FileClassification, topK: number | null | undefined): Classification[] {
  return topK === 1 ? [{ label, score }] : labels;
}
