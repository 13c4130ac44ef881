// Learning: the options of a cascade that learns from its remote models' answers, and what can be done with what it has
// learnt.
import { sha256 } from '../io/sha256.js';
import type { Handle } from '../page/handle.js';
import type { LearningStatus } from '../protocol/learning.js';
import { checkFinite, describe, refuseUnknown } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import { complete } from '../shared/lists.js';
import type { CascadeConfig, LearnLabel } from '../types.js';
import { type LocalModel, RECORDS } from './local-models.js';

/** How a cascade learns. */
export interface LearnOptions {
  /**
   * The labels, at least two; without them they are those of the local model's own head. Of one with a description the
   * first head knows what its texts are like; else it goes by the name.
   */
  labels?: (string | LearnLabel)[];
  /**
   * Whether several labels, or none, may apply to a text; false by default: each has one. An answer is then
   * `{ labels }`, and right where it has the same labels as the remote's, all of them and no others. The head of a
   * local model must be of the same kind.
   */
  multi_label?: boolean;
  /** Of what stays at home at most this part has another label than the remote model would give; 0.05 by default. */
  alpha?: number;
  /** The chance that this is not so, at all times together; 0.1 by default. */
  delta?: number;
  /**
   * The part of the confident texts that is sent all the same, after their answer was given; 0.1 by default. It is what
   * learning costs: without it nobody would know how often they are wrong.
   */
  check_rate?: number;
  /** The same for a while after the texts have changed; 0.25 by default. */
  raised_check_rate?: number;
  /**
   * The part of all texts that the remote model itself gets wrong, where that was measured: `alpha` is then about the
   * truth.
   */
  remote_error?: number;
  /**
   * 'logprobs': a label counts in training as much as it is probable by the remote's tokens, which is asked for them;
   * the `score` of its answer is that probability; of several labels it is the product. Only for servers that know the
   * field `logprobs` of chat completions: one that gives none is taken to be sure, and one that refuses it answers
   * nothing. Without it all labels count alike.
   */
  agreement?: 'logprobs';
  /** The bytes that the stored examples may take; 8 MiB by default. */
  store_bytes?: number;
  /** From 0, the default, to 1: how far rare labels count more in training. */
  balance?: number;
  /** How much examples from before a change of the texts count in training; 0.2 by default. */
  old_weight?: number;
  /**
   * Whether texts are stored next to their embeddings, of at most 2,048 bytes each, as they were asked about and so
   * before redaction; false by default. With a `name` of its own, another encoder then begins with what was learnt: its
   * texts are embedded again.
   */
  keep_texts?: boolean;
  /** The name under which it is stored in this origin; by default that of the model with the labels. */
  name?: string;
}

/** The files of a head, for a folder next to its encoder's: `pipeline('text-classification', …)` loads it. */
export interface ExportedHead {
  // TypeScript before 5.7 knows no `Uint8Array<ArrayBuffer>`, and later versions put no other kind into a `Blob`.
  'head.safetensors': Uint8Array & { buffer: ArrayBuffer };
  'config.json': string;
  'pilot.json': string;
}

/** What a cascade has learnt. It is shared by all tabs of the origin that learn under the same name. */
export interface Learning {
  /** What was learnt, what is promised now, and where it is stored. */
  report(): Promise<LearningStatus>;
  /** All of it as a file: embeddings and labels; texts with `keep_texts` alone; heads, and the evidence for them. */
  export(): Promise<Blob>;
  /**
   * Adds the examples of such a file; none is counted twice. Where nothing was learnt yet, its heads and their evidence
   * as well.
   *
   * @throws PilotLightError kind 'invalid-artefact' for a broken file or one of another version, 'invalid-input' for
   * one of other labels or, unless both keep texts, of another encoder; nothing is lost then.
   */
  import(file: Blob | ArrayBuffer | Uint8Array): Promise<void>;
  /**
   * The head in charge.
   *
   * @param options `folder` is the name of the encoder's folder, next to the one that these files go to; by default
   * that of the local model.
   */
  exportHead(options?: { folder?: string }): Promise<ExportedHead>;
  /** Returns to the head before; what was learnt stays. */
  rollback(): Promise<void>;
  /** Forgets all of it, in all tabs. */
  clear(): Promise<void>;
}

const NAMES = complete<keyof LearnOptions>()([
  'labels',
  'multi_label',
  'alpha',
  'delta',
  'check_rate',
  'raised_check_rate',
  'remote_error',
  'agreement',
  'store_bytes',
  'balance',
  'old_weight',
  'keep_texts',
  'name',
]);

/** `learn`, checked: the settings of the engine, and the name of what is learnt. */
export function readLearn(
  learn: true | LearnOptions | undefined,
  { task, model, dtype }: Pick<LocalModel, 'task' | 'model' | 'dtype'>,
): { config: NonNullable<CascadeConfig['learn']>; name: string } | undefined {
  if (learn === undefined) return undefined;
  if (task === RECORDS) throw invalidInput(`A cascade with a model for ${RECORDS} does not learn.`);
  if (learn !== true && (typeof learn !== 'object' || learn === null)) {
    throw invalidInput(`learn must be true or an object, got ${describe(learn)}.`);
  }
  const given = learn === true ? {} : learn;
  refuseUnknown('learn.', given, NAMES);
  const { labels = [], multi_label = false, name, agreement, ...options } = given;
  const named = checkLabels(labels);
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw invalidInput(`learn.name must be a string that is not empty, got ${describe(name)}.`);
  }
  checkSwitches(agreement, { multi_label, keep_texts: options.keep_texts });
  const checked = checkFinite('learn', options) as NonNullable<CascadeConfig['learn']>['options'];
  const encoder = [model, dtype ?? ''].join(' ').trim();
  return {
    config: {
      labels: named,
      encoder,
      ...(multi_label && { multi_label }),
      ...(agreement && { agreement }),
      ...(checked && { options: checked }),
    },
    name:
      name ??
      JSON.stringify([task, encoder, ...(multi_label ? [{ multi_label }] : []), ...named.map(({ label }) => label)]),
  };
}

function checkSwitches(agreement: unknown, switches: Record<string, unknown>): void {
  if (agreement !== undefined && agreement !== 'logprobs') {
    throw invalidInput(`learn.agreement must be 'logprobs', got ${describe(agreement)}.`);
  }
  for (const [name, value] of Object.entries(switches)) {
    if (value === undefined || typeof value === 'boolean') continue;
    throw invalidInput(`learn.${name} must be true or false, got ${describe(value)}.`);
  }
}

/** `labels`, each found to be a string or one with a description. */
function checkLabels(labels: unknown): LearnLabel[] {
  if (!Array.isArray(labels)) throw invalidInput(`learn.labels must be an array, got ${describe(labels)}.`);
  return labels.map((one: unknown, i) => {
    const given = (typeof one === 'string' ? { label: one } : (one ?? {})) as LearnLabel;
    const { label, description } = given;
    if (typeof label === 'string' && (description === undefined || typeof description === 'string')) return given;
    throw invalidInput(`learn.labels[${i}] must be a string or { label, description }, both strings.`);
  });
}

/** `asked` with what it has learnt; `model` is the address of its local model. */
export function withLearning<T extends object>(asked: T, handle: Handle, model: string): T {
  return Object.defineProperty(asked, 'learning', { value: learningOf(handle, model), enumerable: true });
}

function learningOf(handle: Handle, model: string): Learning {
  const call = <T>(work: () => Promise<T>): Promise<T> => handle.call(undefined, work);
  return {
    report: () => call(() => handle.request('reportLearning', {})),
    export: () =>
      call(async () => {
        const { bytes } = await handle.request('exportLearning', {});
        return new Blob([bytes as Uint8Array<ArrayBuffer>], { type: 'application/octet-stream' });
      }),
    import: (file) => call(async () => handle.request('importLearning', { bytes: await bytesOf(file) })),
    exportHead: ({ folder } = {}) => call(() => exportHead(handle, folder ?? nameOf(model))),
    rollback: () => call(() => handle.request('rollBackLearning', {})),
    clear: () => call(() => handle.request('clearLearning', {})),
  };
}

async function exportHead(handle: Handle, folder: string): Promise<ExportedHead> {
  const { config, bytes } = await handle.request('exportHead', { folder });
  const weights = bytes as Uint8Array<ArrayBuffer>;
  // An insecure page may not compute digests.
  const secure = globalThis.crypto?.subtle !== undefined;
  const files = secure ? { 'head.safetensors': { bytes: weights.length, sha256: await sha256(weights) } } : {};
  const provenance = {
    learnt_by: 'pilot-light',
    labels: 'of remote models',
    date: new Date().toISOString().slice(0, 10),
  };
  return {
    'head.safetensors': weights,
    'config.json': config,
    'pilot.json': `${JSON.stringify({ files, provenance }, null, 2)}\n`,
  };
}

/** The last part of the address of a folder. */
function nameOf(model: string): string {
  return (
    model
      .replace(/[?#].*$/, '')
      .split('/')
      .filter(Boolean)
      .at(-1) ?? model
  );
}

async function bytesOf(file: unknown): Promise<Uint8Array> {
  if (typeof (file as Blob | undefined)?.arrayBuffer === 'function')
    return new Uint8Array(await (file as Blob).arrayBuffer());
  if (ArrayBuffer.isView(file)) return new Uint8Array(file.buffer, file.byteOffset, file.byteLength).slice();
  if (Object.prototype.toString.call(file) === '[object ArrayBuffer]')
    return new Uint8Array(file as ArrayBuffer).slice();
  throw invalidInput(`What was learnt must be imported from a Blob or its bytes, got ${describe(file)}.`);
}
