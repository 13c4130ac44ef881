// Options of a load: what every model takes, and how they are checked.
import type { ProgressCallback } from '../io/progress.js';
import type { GeneratorModel, TaskModel } from '../protocol/loading.js';
import { baseAddress } from '../shared/base-address.js';
import { refuseUnknown } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import { CPU_BUILD_CHOICES, complete, DEVICES, quoted } from '../shared/lists.js';
import type { EngineTask } from '../tasks/index.js';
import type { DeviceChoice, DType } from '../types.js';
import { type Env, env } from './env.js';
import { resolveFile, resolveModel } from './resolve.js';

/** How a model is loaded. */
export interface LoadingOptions {
  /** The device to run on; `'auto'` by default. `.device` tells which one is used. */
  device?: DeviceChoice;
  /** The requested type of the weights, which selects the file. `.dtype` tells which one is used. */
  dtype?: DType;
  /** Whether the work is done in a worker (the default) or in the calling thread. */
  worker?: boolean;
  /** The revision of a model that comes from `env.remoteHost`: a commit. */
  revision?: string;
  /** Receives the progress of the load. */
  progress_callback?: ProgressCallback;
  /** Aborts the load. */
  signal?: AbortSignal;
}

/** How a model is loaded for a task. */
export type PipelineOptions = LoadingOptions;

/** The options that belong to one model, and not to the call that loads it. */
export const MODEL_OPTION_NAMES = ['device', 'dtype', 'worker', 'revision'] as const;

const OPTION_NAMES = complete<keyof LoadingOptions>()([...MODEL_OPTION_NAMES, 'progress_callback', 'signal']);

/** @throws PilotLightError kind 'invalid-input' for an option that is unknown or has an impossible value. */
export function checkLoadingOptions(options: LoadingOptions): void {
  refuseUnknown('', options, OPTION_NAMES);
  const { device } = options;
  if (device !== undefined && !DEVICES.includes(device)) {
    throw invalidInput(`The device must be one of ${quoted(DEVICES)}, got '${String(device)}'.`);
  }
}

/** @throws PilotLightError kind 'invalid-input' for settings of the CPU that are impossible. */
export function checkEnv({ cpuBuild, numThreads }: Env): Pick<Env, 'cpuBuild' | 'numThreads'> {
  if (!CPU_BUILD_CHOICES.includes(cpuBuild)) {
    throw invalidInput(`env.cpuBuild must be one of ${quoted(CPU_BUILD_CHOICES)}, got '${String(cpuBuild)}'.`);
  }
  if (!Number.isInteger(numThreads) || numThreads < 0) {
    throw invalidInput(`env.numThreads must be 0, 1 or more, got ${String(numThreads)}.`);
  }
  return { cpuBuild, numThreads };
}

/** The files of `model`, which is to do `task`. */
export function taskModel(
  task: EngineTask,
  model: string,
  { revision, dtype }: Pick<LoadingOptions, 'revision' | 'dtype'>,
): TaskModel {
  const folder = resolveModel(model, revision, env, baseAddress());
  return { task, model, folder, options: dtype === undefined ? {} : { dtype } };
}

/**
 * The files of `model`, which generates text: the checkpoint in a folder, or a GGUF file, of which it may be the first
 * part.
 */
export function generatorModel(
  model: string,
  { revision, dtype }: Pick<LoadingOptions, 'revision' | 'dtype'>,
): GeneratorModel {
  const isFile = typeof model === 'string' && model.endsWith('.gguf');
  const location = isFile
    ? resolveFile(model, revision, env, baseAddress())
    : { folder: resolveModel(model, revision, env, baseAddress()) };
  return { ...location, model, options: dtype === undefined ? {} : { dtype } };
}
