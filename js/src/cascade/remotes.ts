// Remotes: checks of the options of remote models, and the form that a cascade uses.
import { baseAddress } from '../shared/base-address.js';
import { checkFinite, describe, refuseUnknown } from '../shared/check.js';
import { invalidInput } from '../shared/errors.js';
import { complete } from '../shared/lists.js';
import type { RemoteConfig } from '../types.js';
import { builtInTransport } from './built-in-transport.js';
import { httpTransport, type Server, serverAddress } from './http-transport.js';
import type { Transport } from './transport.js';

/** A remote model behind an OpenAI-compatible address. */
export interface ServerRemote extends Server, RemoteConfig {
  /**
   * A provider's key, in the page for everybody to read. Only with `dangerouslyAllowBrowserKey`; better is a server of
   * your own that adds the key, or `getToken` with tokens that are short-lived.
   */
  apiKey?: string;
  /** Confirms that the key may be read. */
  dangerouslyAllowBrowserKey?: boolean;
}

/** The browser's own model (`LanguageModel`), where it has one that is ready. */
export interface BuiltInRemote {
  built_in: true;
  /** How long one attempt may take. */
  timeout_ms?: number;
}

/** A remote model. */
export type Remote = ServerRemote | BuiltInRemote;

/** A remote model that can be asked. */
export interface PreparedRemote {
  /** What the engine knows of it. */
  config: RemoteConfig;
  transport: Transport;
  /** Where requests go, for people; undefined for the browser's own model. */
  url: string | undefined;
}

const CONFIG_NAMES = complete<keyof RemoteConfig>()([
  'model',
  'protocol',
  'timeout_ms',
  'retries',
  'max_tokens',
  'extra_body',
  'caps',
  'price',
  'breaker',
]);
const SERVER_NAMES = [
  ...CONFIG_NAMES,
  'baseURL',
  'getToken',
  'apiKey',
  'dangerouslyAllowBrowserKey',
  'built_in',
] as const;
const BUILT_IN_NAMES = complete<keyof BuiltInRemote>()(['built_in', 'timeout_ms']);

/** `remotes`, checked, in their order. */
export function prepareRemotes(remotes: Remote | Remote[] | undefined): PreparedRemote[] {
  return [remotes ?? []].flat().map((remote) => {
    if (typeof remote !== 'object' || remote === null) {
      throw invalidInput(`remote must be an object, or an array of them, got ${describe(remote)}.`);
    }
    return 'built_in' in remote && remote.built_in ? prepareBuiltIn(remote) : prepareServer(remote as ServerRemote);
  });
}

function prepareBuiltIn(remote: BuiltInRemote): PreparedRemote {
  refuseUnknown('remote.', remote, BUILT_IN_NAMES);
  const { timeout_ms } = remote;
  // It costs no money, which a budget of money has to know.
  const price = {
    prompt_usd_per_million: 0,
    completion_usd_per_million: 0,
    as_of: new Date().toISOString().slice(0, 10),
  };
  const config = {
    model: 'built-in',
    protocol: 'built-in',
    retries: 0,
    price,
    ...(timeout_ms !== undefined && { timeout_ms }),
  };
  return { config, transport: builtInTransport, url: undefined };
}

function prepareServer(server: ServerRemote): PreparedRemote {
  refuseUnknown('remote.', server, SERVER_NAMES);
  if (typeof server.model !== 'string' || server.model === '') {
    throw invalidInput(`remote.model must name the model, got ${describe(server.model)}.`);
  }
  if (server.caps !== undefined && Object.keys(server.caps ?? {}).length === 0) {
    throw invalidInput('remote.caps has no cap: give one, or leave it out.');
  }
  const { extra_body: _, ...numbers } = server;
  checkFinite('remote', numbers);
  const baseURL = serverAddress(server.baseURL, baseAddress());
  const getToken = tokenSource(server);
  const given = CONFIG_NAMES.filter((name) => server[name] !== undefined).map((name) => [name, server[name]]);
  const transport = httpTransport({ baseURL, ...(getToken && { getToken }) });
  return { config: Object.fromEntries(given) as RemoteConfig, transport, url: baseURL };
}

function tokenSource({ getToken, apiKey, dangerouslyAllowBrowserKey }: ServerRemote): Server['getToken'] {
  if (getToken !== undefined && typeof getToken !== 'function') {
    throw invalidInput('remote.getToken must be a function.');
  }
  if (apiKey === undefined) return getToken;
  if (typeof apiKey !== 'string' || getToken !== undefined) {
    throw invalidInput('remote.apiKey must be a string, and takes the place of getToken.');
  }
  if (dangerouslyAllowBrowserKey === true) return () => apiKey;
  throw invalidInput(
    'A key in a page can be read by everybody who opens it. Give getToken, or the address of a server of yours that ' +
      'adds the key; or say dangerouslyAllowBrowserKey: true.',
  );
}
