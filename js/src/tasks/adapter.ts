// What a task defines: how its calls become requests to the engine, and its results become those of transformers.js.
import type { Inputs } from '../types.js';

/** Options of every call. */
export interface CallOptions {
  /** Aborts the call. */
  signal?: AbortSignal;
}

/** An input by which the device of a model is chosen: a run of it is timed on each. */
export interface MeasuredInput {
  input: Inputs[number];
  options?: object;
  /** Elements of the largest tensor that the model gets for it, roughly; time grows with them. */
  elements: number;
  /** What it is, in words that mean several. */
  name: string;
}

/**
 * A task; `N` is its name, `P` the type of its pipelines, and `O` that of its options in a cascade, for a task whose
 * answers a remote model could give as well.
 */
export interface TaskAdapter<N extends string = string, P = unknown, O = never> {
  /** The name, as the Hugging Face hub has it. */
  name: N;
  /** Converts one input to what the model reads; a task without it reads texts. */
  // biome-ignore lint/suspicious/noExplicitAny: each task reads inputs of its own, and checks them.
  read?(input: any): Promise<Inputs[number]>;
  /** Inputs of what `read` gives, the smaller one first, of a few milliseconds; those of texts are known. */
  measured?(): MeasuredInput[];
  /** The options, from the arguments behind the input; by default the first of them. */
  options?(...args: unknown[]): object | undefined;
  /** The options that are not the engine's own defaults. */
  defaults?: object;
  /** The output of the engine for no inputs. */
  empty: unknown;
  /** The result, from the output of the engine; `many` says whether an array of inputs was given. */
  // biome-ignore lint/suspicious/noExplicitAny: the output and the options are the task's own.
  shape(output: any, many: boolean, options: any): unknown;
  /** Never set: it carries the type. */
  readonly pipeline?: P;
  /** The same. */
  readonly answers?: O;
}

/** A task that reads texts. */
export interface TextTaskAdapter<N extends string = string, P = unknown, O = never> extends TaskAdapter<N, P, O> {
  read?: never;
  measured?: never;
}

/** A task that reads anything else. */
export type MediaTaskAdapter<N extends string = string, P = unknown> = TaskAdapter<N, P> &
  Required<Pick<TaskAdapter<N, P>, 'read' | 'measured'>>;

/** The entries of an array of inputs, or the entry of a single one. */
export function perInput<T>(entries: T[], many: boolean): T[] | T | undefined {
  return many ? entries : entries[0];
}
