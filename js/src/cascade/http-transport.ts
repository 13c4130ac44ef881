// HTTP transport: asks an OpenAI-compatible server by `fetch`.
import { invalidInput } from '../shared/errors.js';
import type { HttpRequest } from '../types.js';
import { type AttemptHooks, Fault, type Feed, faulty, type Reply, type Transport } from './transport.js';

/** A server, and how requests to it are authorised. */
export interface Server {
  /** The address that `/chat/completions` is under, e.g. `'/v1'`. */
  baseURL: string;
  /** Gives the token of a request. Called for each one, in the page; the worker never sees it. */
  getToken?: () => string | undefined | Promise<string | undefined>;
}

/** A reply to a classification is short; a longer one than this is not one. */
const MAX_REPLY_BYTES = 1 << 20;
/** A streamed reply has a frame around each word, and comments that keep the connection open. */
const MAX_STREAM_BYTES = 8 << 20;
const NO_BYTES = new Uint8Array(0);
/** The addresses of single functions of a server, as its documentation has them. */
const ENDPOINT = /\/(chat\/completions|completions|chat|responses|messages|embeddings|models)$/;

/** The absolute address of `baseURL`, without a slash at its end. */
export function serverAddress(baseURL: unknown, base: string | undefined): string {
  let url: URL | undefined;
  try {
    url = new URL(String(baseURL), base);
  } catch {
    // Refused below, with the same message as any other wrong address.
  }
  if (typeof baseURL !== 'string' || url === undefined || !/^https?:$/.test(url.protocol)) {
    throw invalidInput(`remote.baseURL must be an http(s) address, got '${String(baseURL)}'.`);
  }
  // Not repeated in the message: these parts are a secret, or may be one.
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalidInput('remote.baseURL must have no user, password, query or fragment.');
  }
  const address = url.href.replace(/\/+$/, '');
  const [endpoint] = ENDPOINT.exec(address) ?? [];
  if (endpoint === undefined) return address;
  throw invalidInput(
    `remote.baseURL must be the address that '/chat/completions' is under, got '${baseURL}': leave out '${endpoint}'.`,
  );
}

/** The transport to a server. */
export function httpTransport({ baseURL, getToken }: Server): Transport {
  return async ({ payload, stream }, hooks, signal) => {
    if (!('http' in payload)) throw new Fault('unavailable', 'the protocol makes no HTTP request');
    const { http } = payload;
    const token = (await faulty('token', async () => getToken?.())) || undefined;
    // A server, or the browser, may repeat the token; nobody else is to read it.
    const scrub = (text: string): string => (token === undefined ? text : text.replaceAll(token, '[TOKEN]'));
    try {
      const reply = await faulty('network', () => post(baseURL, http, token, stream, hooks, signal));
      return reply.type === 'response' ? { ...reply, body: scrub(reply.body) } : reply;
    } catch (thrown) {
      throw thrown instanceof Fault ? new Fault(thrown.fault, scrub(thrown.message)) : thrown;
    }
  };
}

async function post(
  baseURL: string,
  { path, headers, key_header, body }: HttpRequest,
  token: string | undefined,
  stream: boolean,
  { leaving, feed }: AttemptHooks,
  signal: AbortSignal,
): Promise<Reply> {
  // The token may have come too late.
  signal.throwIfAborted();
  leaving();
  const key = token === undefined ? [] : [[key_header.name, key_header.prefix + token] as [string, string]];
  const response = await fetch(baseURL + path, {
    method: 'POST',
    headers: [...headers, ...key],
    body,
    signal,
    credentials: 'same-origin',
    // A redirect would carry the text and the token to an address that nobody named.
    redirect: 'manual',
    referrerPolicy: 'no-referrer',
    cache: 'no-store',
  });
  if (response.type === 'opaqueredirect') {
    throw new Fault('redirect', 'the server redirects, which is not followed');
  }
  const contentType = response.headers.get('content-type');
  if (stream && response.ok && /^text\/event-stream\b/i.test(contentType ?? '')) {
    await feedBody(response, feed);
    return { type: 'streamed' };
  }
  const retryAfter = retryAfterOf(response.headers);
  return {
    type: 'response',
    status: response.status,
    ...(retryAfter !== null && { retry_after: retryAfter }),
    ...(contentType !== null && { content_type: contentType }),
    body: await readText(response),
  };
}

/** The seconds that the server asks to wait, or the date: OpenAI and Azure have a header in milliseconds as well. */
function retryAfterOf(headers: Headers): string | null {
  const ms = headers.get('retry-after-ms');
  return ms !== null && /^\d+(\.\d+)?$/.test(ms) ? (Number(ms) / 1000).toFixed(3) : headers.get('retry-after');
}

/** Hands a body over piece by piece, each once the one before was taken. */
async function feedBody(response: Response, feed: Feed): Promise<void> {
  for await (const part of readBounded(response, MAX_STREAM_BYTES)) if (await feed(part, false)) break;
  await feed(NO_BYTES, true);
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const part of readBounded(response, MAX_REPLY_BYTES)) text += decoder.decode(part, { stream: true });
  return text + decoder.decode();
}

/** The parts of a body. @throws Fault Where it is longer than `maxBytes`. */
async function* readBounded(response: Response, maxBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader();
  let bytes = 0;
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    bytes += part.value.length;
    if (bytes > maxBytes) throw new Fault('too-large', `the reply is longer than ${maxBytes} bytes`);
    yield part.value;
  }
}
