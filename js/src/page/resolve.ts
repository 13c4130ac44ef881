// Addresses of models and of the WebAssembly files.
import type { ModelFolder } from '../io/fetch-file.js';
import { describe } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import type { Env } from './env.js';

/** A file: its folder, and its name in it. */
export interface FileLocation {
  folder: ModelFolder;
  file: string;
}

/** Revisions that move: the same name gives other files tomorrow. */
const MOVING = new Set(['main', 'master', 'head', 'latest']);

/**
 * The folder of `model`: a name that begins with `/`, `./`, `../` or a scheme such as `https://` is the address of
 * one; another is looked for at `env.remoteHost` under a pinned `revision` where that host is set,
 * and under `env.localModelPath` where it is not.
 *
 * @throws PilotLightError kind 'invalid-input' for a malformed name or a revision that moves.
 */
export function resolveModel(
  model: string,
  revision: string | undefined,
  env: Env,
  base: string | undefined,
): ModelFolder {
  if (typeof model !== 'string' || model.trim() === '') {
    throw invalidInput(`The model must be named by a non-empty string, got ${describe(model)}.`);
  }
  if (isAddress(model)) return { url: folderUrl(model, base), immutable: false };
  if (isOutside(model)) throw invalidInput(`'${model}' is neither a model name nor the address of a folder.`);
  if (env.remoteHost === '') return { url: folderUrl(slashed(env.localModelPath) + model, base), immutable: false };
  if (revision === undefined || revision === '' || MOVING.has(revision.toLowerCase())) {
    const got = revision ? `, got '${revision}'` : '';
    throw invalidInput(`'${model}' from ${env.remoteHost} needs a pinned revision, { revision: '<commit>' }${got}.`);
  }
  const path = env.remotePathTemplate
    .replaceAll('{model}', () => model)
    .replaceAll('{revision}', () => encodeURIComponent(revision));
  return { url: folderUrl(slashed(env.remoteHost) + path, base), immutable: /^[0-9a-f]{40}$/i.test(revision) };
}

/**
 * The file at `address`, which may be a name as that of a folder may; a published model's name has
 * two parts, and the file's path in it follows them.
 *
 * @throws PilotLightError kind 'invalid-input' as `resolveModel` does, and for an address without a file's name.
 */
export function resolveFile(
  address: string,
  revision: string | undefined,
  env: Env,
  base: string | undefined,
): FileLocation {
  const nameless = (): Error =>
    invalidInput(`A model must be named by the address of its file, got '${String(address)}'.`);
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
  const folder = Object.assign(new URL(url), { pathname: path.slice(0, end), search: '', hash: '' });
  return { folder: { url: folder.href, immutable: false }, file };
}

/** Whether it is an address, of the web, of an extension (`chrome-extension://`) or of an app (`tauri://`). */
function isAddress(model: string): boolean {
  return /^(\.{0,2}\/|[a-z][a-z0-9+.-]+:\/\/)/i.test(model);
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
    throw invalidInput(`'${address}' is not the address of a folder.`, cause);
  }
}

function slashed(path: string): string {
  return path.endsWith('/') ? path : `${path}/`;
}

/** The addresses of the `.wasm` files made absolute: a relative one would be relative to the worker's script. */
export function absolutePaths(paths: Env['wasmPaths'], base: string | undefined): Env['wasmPaths'] {
  const given = Object.entries(paths).filter(([, address]) => address !== undefined);
  return Object.fromEntries(given.map(([build, address]) => [build, absolute('wasmPaths', address, base)]));
}

/** The absolute address of the engine's worker; undefined where it is next to the scripts. */
export function workerAddress({ workerUrl }: Env, base: string | undefined): string | undefined {
  return workerUrl === '' ? undefined : absolute('workerUrl', workerUrl, base);
}

function absolute(setting: keyof Env, address: string | URL, base: string | undefined): string {
  try {
    return new URL(address, base).href;
  } catch (cause) {
    throw invalidInput(`'${String(address)}' in env.${setting} is not an address.`, cause);
  }
}
