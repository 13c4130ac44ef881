// Loading of models: what is loaded, and what a loaded model reports of itself.
import type { ModelFolder } from '../io/fetch-file.js';
import type { EngineTask } from '../tasks/index.js';
import type { Calibration, CascadeConfig, GraphOptions, LoadOptions, Port } from '../types.js';
import type { ModelDevices } from '../worker/device-report.js';

/** A model for a task, and how it is loaded. */
export interface TaskModel {
  task: EngineTask;
  /** The model as the caller named it. */
  model: string;
  folder: ModelFolder;
  options: LoadOptions;
}

/** An ONNX file, and how it is loaded and prepared. */
export interface GraphModel extends Omit<TaskModel, 'task'> {
  file: string;
  /** The files next to it that hold weights. */
  external_data: string[];
  graph: GraphOptions;
}

/** A model that generates text: a GGUF file, or a folder with a checkpoint or ONNX files. */
export interface GeneratorModel extends Omit<TaskModel, 'task'> {
  file?: string;
}

/** What is loaded: one of the four. It is enough to load it again into a fresh engine. */
export interface LoadArgs {
  pipeline?: TaskModel;
  /** Local models with a router, or one that reads records; `learning` is the name of what it learns, where it does. */
  cascade?: { models: TaskModel[]; generator?: GeneratorModel; config: CascadeConfig; learning?: string };
  graph?: GraphModel;
  generator?: GeneratorModel;
  useBrowserCache: boolean;
}

/** What a loaded model reports of itself. */
export interface LoadResult extends ModelDevices {
  /** Empty where it has none. */
  labels: string[];
  /** The type of its weights, as their file has them. */
  dtype: string;
  /** The inputs and outputs of a graph; empty for a task. */
  inputs: Port[];
  outputs: Port[];
  /** The thresholds of a cascade's local models. */
  thresholds?: number[];
  /** Their calibrations; null for a model that has no calibration. */
  calibrations?: (Calibration | null)[];
}
