import { builtInTransport } from './built_in.js';
import { checkedNumbers, invalid } from './input.js';
import { baseAddress } from './resolve.js';
import { remoteAddress, type Server, serverTransport } from './server.js';
import type { Transport } from './transport.js';
import type { RemoteConfig } from './types.js';

/** A general model behind an OpenAI-compatible address. */
export interface ServerRemote extends Server, RemoteConfig {
  /**
   * A provider's key, in the page for everybody to read. Only with `dangerouslyAllowBrowserKey`; better is a server of
   * your own that adds the key, or `getToken` with tokens that are short-lived.
   */
  apiKey?: string;
  /** Says that you know. */
  dangerouslyAllowBrowserKey?: boolean;
}

/** The browser's own general model (`LanguageModel`), where it has one that is ready. */
export interface BuiltInRemote {
  builtIn: true;
  /** How long one attempt may take. */
  timeout_ms?: number;
}

/** A general model. */
export type Remote = ServerRemote | BuiltInRemote;

/** A general model, made ready. */
export interface ReadyRemote {
  /** What the cascade knows of it. */
  config: RemoteConfig;
  ask: Transport;
  /** Where requests go, for people; undefined for the browser's own model. */
  url: string | undefined;
}

const CONFIG_NAMES = [
  'model',
  'timeout_ms',
  'retries',
  'max_tokens',
  'extra_body',
  'caps',
  'price',
  'breaker',
] as const satisfies (keyof RemoteConfig)[];
const SERVER_NAMES = new Set<string>([
  ...CONFIG_NAMES,
  'baseURL',
  'getToken',
  'apiKey',
  'dangerouslyAllowBrowserKey',
  'builtIn',
]);
const BUILT_IN_NAMES = new Set(['builtIn', 'timeout_ms']);

/** `remotes` made ready, in their order. */
export function readyRemotes(remotes: Remote | Remote[] | undefined): ReadyRemote[] {
  return [remotes ?? []].flat().map(ready);
}

function ready(remote: Remote): ReadyRemote {
  if (typeof remote !== 'object' || remote === null) throw invalid('remote must be an object, or an array of them.');
  const names = 'builtIn' in remote && remote.builtIn ? BUILT_IN_NAMES : SERVER_NAMES;
  const unknown = Object.keys(remote).find((name) => !names.has(name));
  if (unknown !== undefined) throw invalid(`The option remote.${unknown} is not known.`);
  if (names === BUILT_IN_NAMES) {
    const { timeout_ms } = remote;
    // It costs no money, which a budget of money wants to know.
    const price = {
      prompt_usd_per_million: 0,
      completion_usd_per_million: 0,
      as_of: new Date().toISOString().slice(0, 10),
    };
    const config = { model: 'built-in', retries: 0, price, ...(timeout_ms !== undefined && { timeout_ms }) };
    return { config, ask: builtInTransport, url: undefined };
  }
  const server = remote as ServerRemote;
  if (typeof server.model !== 'string' || server.model === '')
    throw invalid('remote.model must name the general model.');
  if (server.caps !== undefined && Object.keys(server.caps ?? {}).length === 0)
    throw invalid('remote.caps caps nothing: give one, or leave it out.');
  const { extra_body: _, ...numbers } = server;
  checkedNumbers('remote', numbers);
  const baseURL = remoteAddress(server.baseURL, baseAddress());
  const getToken = tokenOf(server);
  const given = CONFIG_NAMES.filter((name) => server[name] !== undefined).map((name) => [name, server[name]]);
  return {
    config: Object.fromEntries(given) as RemoteConfig,
    ask: serverTransport({ baseURL, ...(getToken && { getToken }) }),
    url: baseURL,
  };
}

function tokenOf({ getToken, apiKey, dangerouslyAllowBrowserKey }: ServerRemote): Server['getToken'] {
  if (getToken !== undefined && typeof getToken !== 'function') throw invalid('remote.getToken must be a function.');
  if (apiKey === undefined) return getToken;
  if (typeof apiKey !== 'string' || getToken !== undefined)
    throw invalid('remote.apiKey must be a string, and takes the place of getToken.');
  if (dangerouslyAllowBrowserKey !== true) {
    throw invalid(
      'A key in a page can be read by everybody who opens it. Give getToken, or the address of a server of yours that adds the key; or say dangerouslyAllowBrowserKey: true.',
    );
  }
  return () => apiKey;
}
