import type { PipelineOptions } from './handle.js';
import { checkedNumbers, invalid } from './input.js';
import type { ChainedModel } from './protocol.js';
import type { Calibration, CascadeConfig, TextTask } from './types.js';

/** A local model of a cascade, loaded as by `pipeline`. */
export interface LocalModel extends PipelineOptions {
  task: TextTask;
  model: string;
  /** The confidence from which on its answer is the answer, in the place of the policy's. */
  threshold?: number;
  /** How far it may be trusted, as `calibrate` gave it, in the place of what its folder says. */
  calibration?: Calibration;
}

/** Local models, made ready to be loaded. */
export interface ReadyChain {
  task: TextTask;
  model: string;
  /** How the first is loaded, and where all of them are. */
  options: PipelineOptions;
  /** Those behind it. */
  next: Omit<ChainedModel, 'folder'>[];
  /** How far each may be trusted. */
  local: NonNullable<CascadeConfig['local']>;
}

/** A model that guesses from a text alone how much better one general model will do on it than another. */
export interface RouterModel {
  /** Its name or address, as for `pipeline`: a folder that `pilot-light train --router` made. */
  model: string;
  /** The gain, from -1 to 1, from which on the second of the general models is asked before the first. */
  min_gain: number;
  /** The type of numbers that its weights are wanted in. */
  dtype?: PipelineOptions['dtype'];
  /** The revision of a model that comes from `env.remoteHost`: a commit. */
  revision?: string;
}

/** What a router may be given. */
const ROUTER_NAMES = new Set(['model', 'min_gain', 'dtype', 'revision']);

/** `router`, made ready: it is loaded behind the local models. */
export function readyRouter(router: RouterModel | undefined): Pick<ReadyChain, 'next'> & Pick<CascadeConfig, 'router'> {
  if (router === undefined) return { next: [] };
  if (typeof router?.model !== 'string' || typeof router.min_gain !== 'number')
    throw invalid('The router must be { model, min_gain }: a string and a number.');
  const unknown = Object.keys(router).find((name) => !ROUTER_NAMES.has(name));
  if (unknown !== undefined) throw invalid(`The option router.${unknown} is not known.`);
  const { model, min_gain, dtype, revision } = checkedNumbers('router', router);
  return {
    next: [{ task: 'text-classification', model, revision, options: { ...(dtype !== undefined && { dtype }) } }],
    router: { min_gain },
  };
}

/** What a model that stands behind another may be given. */
const NAMES = new Set(['task', 'model', 'threshold', 'calibration', 'device', 'dtype', 'worker', 'revision']);

/** `local`, made ready; `calibration` is that of a model that stands alone. */
export function readyChain(
  local: LocalModel | LocalModel[] | undefined,
  calibration: Calibration | undefined,
): ReadyChain {
  const models = [local ?? []].flat();
  const [first, ...behind] = models;
  if (first === undefined) throw invalid('A cascade needs { local: { task, model } }, or an array of them.');
  models.forEach((one, i) => {
    if (typeof one?.model !== 'string' || typeof one.task !== 'string')
      throw invalid(`local${models.length > 1 ? `[${i}]` : ''} must be { task, model }, both strings.`);
  });
  if (calibration !== undefined && behind.length > 0)
    throw invalid('Each model of a chain has its own calibration: give local[i].calibration.');
  for (const [i, one] of behind.entries()) {
    const unknown = Object.keys(one).find((name) => !NAMES.has(name));
    if (unknown !== undefined) throw invalid(`The option local[${i + 1}].${unknown} is not known.`);
  }
  const { task, model, threshold: _, calibration: __, ...options } = first;
  return {
    task,
    model,
    options: { ...options, ...shared(models, 'device'), ...shared(models, 'worker') },
    next: behind.map(({ task, model, revision, dtype }) => ({
      task,
      model,
      revision,
      options: { ...(dtype !== undefined && { dtype }) },
    })),
    local: models.map((one) => {
      const found = one.calibration ?? calibration;
      return { ...(one.threshold !== undefined && { threshold: one.threshold }), ...(found && { calibration: found }) };
    }),
  };
}

/** What all `models` that give a `name` agree on: they run in one engine. */
function shared<K extends 'device' | 'worker'>(models: LocalModel[], name: K): Pick<PipelineOptions, K> {
  const given = new Set(models.map((one) => one[name]).filter((value) => value !== undefined));
  if (given.size > 1)
    throw invalid(`The models of a chain run in one place: they cannot have several values of '${name}'.`);
  const [value] = given;
  return (value === undefined ? {} : { [name]: value }) as unknown as Pick<PipelineOptions, K>;
}
