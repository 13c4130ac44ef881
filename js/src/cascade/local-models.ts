// Local models and router of a cascade: checks of their options, and the form that is loaded.
import { generatorModel, MODEL_OPTION_NAMES, type PipelineOptions, taskModel } from '../page/load-options.js';
import type { LoadArgs } from '../protocol/loading.js';
import { checkFinite, refuseUnknown } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import { complete } from '../shared/lists.js';
import type { TextTask } from '../tasks/index.js';
import type { Calibration, CascadeConfig, DType } from '../types.js';

/** A local model of a cascade, loaded as by `pipeline`. One for `information-extraction` stands alone. */
export interface LocalModel extends PipelineOptions {
  task: TextTask | typeof RECORDS;
  model: string;
  /** The confidence at or above which its answer is the answer, in place of the policy's. */
  threshold?: number;
  /** Its calibration, as `calibrate` gave it, in place of the one in its folder. */
  calibration?: Calibration;
}

/** A model that predicts from a text alone how much better one remote model will do on it than another. */
export interface RouterModel {
  /** Its name or address, as for `pipeline`: a folder that `pilot-light train --router` made. */
  model: string;
  /** The gain, from -1 to 1, at or above which the second of the remote models is asked before the first. */
  min_gain: number;
  /** The requested type of its weights. */
  dtype?: DType;
  /** The revision of a model that comes from `env.remoteHost`: a commit. */
  revision?: string;
}

/** A model to be loaded, and what chooses its files. */
type ChosenModel = Pick<LocalModel, 'task' | 'model' | 'dtype' | 'revision'>;

/** The task whose answers are records. */
export const RECORDS = 'information-extraction';

/** The local models of a cascade, checked. */
export interface LocalModels {
  /** In their order; there is at least one. */
  models: [ChosenModel, ...ChosenModel[]];
  /** How they are loaded, and on which device all of them run. */
  options: PipelineOptions;
  /** The threshold and the calibration of each. */
  configs: NonNullable<CascadeConfig['local']>;
}

const ROUTER_NAMES = complete<keyof RouterModel>()(['model', 'min_gain', 'dtype', 'revision']);

/** What a model that stands behind another may be given. */
const LATER_NAMES = ['task', 'model', 'threshold', 'calibration', ...MODEL_OPTION_NAMES] as const;

/** `router`, checked. */
export function readRouter(
  router: RouterModel | undefined,
): { model: ChosenModel; config: NonNullable<CascadeConfig['router']> } | undefined {
  if (router === undefined) return undefined;
  if (typeof router?.model !== 'string' || typeof router.min_gain !== 'number') {
    throw invalidInput('The router must be { model, min_gain }: a string and a number.');
  }
  refuseUnknown('router.', router, ROUTER_NAMES);
  const { min_gain, ...model } = checkFinite('router', router);
  return { model: { task: 'text-classification', ...model }, config: { min_gain } };
}

/** `local`, checked; `calibration` is that of a model that stands alone. */
export function readLocalModels(
  local: LocalModel | LocalModel[] | undefined,
  calibration: Calibration | undefined,
): LocalModels {
  const models = [local ?? []].flat();
  const [first, ...later] = models;
  if (first === undefined) throw invalidInput('A cascade needs { local: { task, model } }, or an array of them.');
  for (const [i, one] of models.entries()) {
    if (typeof one?.model === 'string' && typeof one.task === 'string') continue;
    throw invalidInput(`local${models.length > 1 ? `[${i}]` : ''} must be { task, model }, both strings.`);
  }
  if (calibration !== undefined && later.length > 0) {
    throw invalidInput('Each of several local models has its own calibration: give local[i].calibration.');
  }
  if (later.length > 0 && models.some(({ task }) => task === RECORDS)) {
    throw invalidInput(`A model for ${RECORDS} is the only local model of its cascade, got ${models.length} models.`);
  }
  for (const [i, one] of later.entries()) refuseUnknown(`local[${i + 1}].`, one, LATER_NAMES);
  const { task: _, model: __, threshold: ___, calibration: ____, ...options } = first;
  return {
    models: [chosen(first), ...later.map(chosen)],
    options: { ...options, ...agreed(models, 'device'), ...agreed(models, 'worker') },
    configs: models.map((one) => {
      const given = one.calibration ?? calibration;
      return { ...(one.threshold !== undefined && { threshold: one.threshold }), ...(given && { calibration: given }) };
    }),
  };
}

/** What is loaded for local models, and the router behind them. */
export function loadable(all: ChosenModel[]): Omit<NonNullable<LoadArgs['cascade']>, 'config'> {
  const [first, ...later] = all;
  if (first?.task === RECORDS) {
    if (later.length > 0) throw invalidInput(`A cascade with a model for ${RECORDS} takes no router.`);
    return { models: [], generator: generatorModel(first.model, first) };
  }
  return { models: all.map(({ task, model, ...given }) => taskModel(task as TextTask, model, given)) };
}

function chosen({ task, model, dtype, revision }: ChosenModel): ChosenModel {
  return { task, model, ...(dtype !== undefined && { dtype }), ...(revision !== undefined && { revision }) };
}

/** The value that all `models` that give `name` agree on: they run in one engine. */
function agreed<K extends 'device' | 'worker'>(models: LocalModel[], name: K): Pick<PipelineOptions, K> {
  const given = new Set(models.map((one) => one[name]).filter((value) => value !== undefined));
  if (given.size > 1) {
    const values = [...given].map(String).join(', ');
    throw invalidInput(
      `The local models run in one engine: they cannot have several values of '${name}', got ${values}.`,
    );
  }
  const [value] = given;
  return (value === undefined ? {} : { [name]: value }) as unknown as Pick<PipelineOptions, K>;
}
