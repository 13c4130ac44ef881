// Tasks by their names.
import * as table from './table.js';

export type * from './table.js';

type Table = typeof table;
type ByName = { [K in keyof Table as Table[K]['name']]: Table[K] };

/** The tasks, named as the Hugging Face hub names them. */
export const TASKS = Object.fromEntries(Object.values(table).map((task) => [task.name, task])) as unknown as ByName;

/** What a model is used for. */
export type Task = keyof ByName;

/** The tasks that read texts. */
export type TextTask = { [T in Task]: ByName[T] extends { read?: never } ? T : never }[Task];

/** The pipeline of each task. */
export type Pipelines = { [T in Task]: NonNullable<ByName[T]['pipeline']> };

/** The options of the tasks that answer in a cascade; each task has its own. */
export type RunOptions = Intersection<{ [T in Task]: NonNullable<ByName[T]['answers']> }[Task]>;

/** A & B, from A | B. */
type Intersection<U> = (U extends unknown ? (of: U) => void : never) extends (of: infer I) => void ? I : never;
