import type { Env } from './env.js';
import { PilotLightError } from './errors.js';

/** Where a model's files lie. */
export interface ModelFolder {
  /** The folder's absolute address, with a slash at its end. */
  url: string;
  /** Whether its files can never change, because its revision is a commit. */
  immutable: boolean;
}

/** Where a file lies: its folder, and its name in it. */
export interface FilePlace {
  folder: ModelFolder;
  file: string;
}

/** Revisions that move: the same name gives other files tomorrow. */
const MOVING = new Set(['main', 'master', 'head', 'latest']);

/**
 * The folder of `model`: a name that begins with `/`, `./`, `../` or `http(s)://` is the address of
 * one; another is looked for at `env.remoteHost` under a pinned `revision` where that host is set,
 * and under `env.localModelPath` where it is not.
 *
 * @throws PilotLightError kind 'invalid-input' for a name that is no name or a revision that moves.
 */
export function resolveModel(
  model: string,
  revision: string | undefined,
  env: Env,
  base: string | undefined,
): ModelFolder {
  if (typeof model !== 'string' || model.trim() === '') {
    throw new PilotLightError('invalid-input', 'The model must be named by a non-empty string.');
  }
  if (isAddress(model)) return { url: folderUrl(model, base), immutable: false };
  if (isOutside(model)) {
    throw new PilotLightError('invalid-input', `'${model}' is neither a model name nor the address of a folder.`);
  }
  if (env.remoteHost === '') return { url: folderUrl(slashed(env.localModelPath) + model, base), immutable: false };
  if (revision === undefined || revision === '' || MOVING.has(revision.toLowerCase())) {
    throw new PilotLightError(
      'invalid-input',
      `'${model}' from ${env.remoteHost} needs a pinned revision: { revision: '<commit>' }.`,
    );
  }
  const path = env.remotePathTemplate
    .replaceAll('{model}', () => model)
    .replaceAll('{revision}', () => encodeURIComponent(revision));
  return { url: folderUrl(slashed(env.remoteHost) + path, base), immutable: /^[0-9a-f]{40}$/i.test(revision) };
}

/**
 * Where the file at `address` is, which may be a name as that of a folder may; a published model's name has
 * two parts, and the file's path in it comes behind them.
 *
 * @throws PilotLightError kind 'invalid-input' as `resolveModel` does, and for an address without a file's name.
 */
export function resolveFile(
  address: string,
  revision: string | undefined,
  env: Env,
  base: string | undefined,
): FilePlace {
  const nameless = (): PilotLightError =>
    new PilotLightError('invalid-input', `A model must be named by the address of its file, not '${String(address)}'.`);
  if (typeof address !== 'string' || address.trim() === '') throw nameless();
  if (!isAddress(address) && env.remoteHost !== '') {
    const [owner, name, ...path] = address.split('/');
    const file = path.join('/');
    if (file === '' || file.endsWith('/') || isOutside(file)) throw nameless();
    return { folder: resolveModel(`${owner}/${name}`, revision, env, base), file };
  }
  const url = new URL(resolveModel(address, revision, env, base).url);
  // As the address of a folder it was given a slash at its end.
  const path = url.pathname.slice(0, -1);
  const end = path.lastIndexOf('/') + 1;
  const file = path.slice(end) + url.search;
  if (/\/([?#]|$)/.test(address) || path.length === end) throw nameless();
  return { folder: { url: url.origin + path.slice(0, end), immutable: false }, file };
}

function isAddress(model: string): boolean {
  return /^(\.{0,2}\/|https?:\/\/)/i.test(model);
}

/** Whether a name leads out of the folder that it is looked for under. */
function isOutside(name: string): boolean {
  return name.split('/').includes('..') || /[?#\\:]/.test(name);
}

/** `address` as an absolute address with a slash at its end. */
function folderUrl(address: string, base: string | undefined): string {
  try {
    const url = new URL(address, base);
    url.pathname = slashed(url.pathname);
    return url.href;
  } catch (cause) {
    throw new PilotLightError('invalid-input', `'${address}' is not the address of a folder.`, { cause });
  }
}

function slashed(path: string): string {
  return path.endsWith('/') ? path : `${path}/`;
}

/** The addresses of the `.wasm` files made absolute: the worker's relative ones would be its own. */
export function absolutePaths(paths: Env['wasmPaths'], base: string | undefined): Env['wasmPaths'] {
  const absolute = (address: string): string => {
    try {
      return new URL(address, base).href;
    } catch (cause) {
      throw new PilotLightError('invalid-input', `'${address}' in env.wasmPaths is not an address.`, { cause });
    }
  };
  return Object.fromEntries(
    Object.entries(paths).flatMap(([build, address]) => (address === undefined ? [] : [[build, absolute(address)]])),
  );
}

/** The address that relative ones are relative to: the page's, where there is a page. */
export function baseAddress(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href;
}
