// Tasks by their names.
import type { InformationExtractionPipeline, RecordRunOptions } from './information-extraction.js';
import * as table from './table.js';
import type { TextGenerationPipeline } from './text-generation.js';

export type { InformationExtractionOptions, InformationExtractionPipeline } from './information-extraction.js';
export type * from './table.js';
export type { Streamer, TextGeneration, TextGenerationOptions, TextGenerationPipeline } from './text-generation.js';

type Table = typeof table;
type ByName = { [K in keyof Table as Table[K]['name']]: Table[K] };

/** The tasks that a call of the engine does, named as the Hugging Face hub names them. */
export const TASKS = Object.fromEntries(Object.values(table).map((task) => [task.name, task])) as unknown as ByName;

/** What a model is used for by a call of the engine. */
export type EngineTask = keyof ByName;

/** What a model is used for. */
export type Task = keyof Pipelines;

/** The tasks that read texts. */
export type TextTask = { [T in EngineTask]: ByName[T] extends { read?: never } ? T : never }[EngineTask];

/** The pipeline of each task. */
export type Pipelines = { [T in EngineTask]: NonNullable<ByName[T]['pipeline']> } & {
  /** Its replies grow step by step. */
  'text-generation': TextGenerationPipeline;
  /** A decoder, and none of the tasks' models, does it. */
  'information-extraction': InformationExtractionPipeline;
};

/** The options of the tasks that answer in a cascade; each task has its own. */
export type RunOptions = Intersection<{ [T in EngineTask]: NonNullable<ByName[T]['answers']> }[EngineTask]> &
  RecordRunOptions;

/** A & B, from A | B. */
type Intersection<U> = (U extends unknown ? (of: U) => void : never) extends (of: infer I) => void ? I : never;
