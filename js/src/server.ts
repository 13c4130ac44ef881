import { invalid } from './input.js';
import { Fault, type Feed, faulty, type Reply, type Transport, type Watch } from './transport.js';
import type { RemoteRequest } from './types.js';

/** Where a general model is, and how to be let in. */
export interface Server {
  /** The address that `/chat/completions` is under, e.g. `'/v1'`. */
  baseURL: string;
  /** Gives the bearer token of a request. Called for each one, in the page; the worker never sees it. */
  getToken?: () => string | undefined | Promise<string | undefined>;
}

/** A reply to a classification is short; a longer one than this is not one. */
const MAX_REPLY_BYTES = 1 << 20;
/** In pieces it has a frame around each word, and comments that keep the connection open. */
const MAX_STREAM_BYTES = 8 << 20;
const NO_BYTES = new Uint8Array(0);

/** The absolute address of `baseURL`, without a slash at its end. */
export function remoteAddress(baseURL: unknown, base: string | undefined): string {
  let url: URL | undefined;
  try {
    url = new URL(String(baseURL), base);
  } catch {
    // Refused below, in the same words as any other wrong address.
  }
  if (typeof baseURL !== 'string' || url === undefined || !/^https?:$/.test(url.protocol)) {
    throw invalid(`remote.baseURL must be an http(s) address, not '${String(baseURL)}'.`);
  }
  // Not repeated in words: what is in there is a secret, or may be one.
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalid('remote.baseURL must have no user, password, query or fragment.');
  }
  return url.href.replace(/\/+$/, '');
}

/** The way to a server by `fetch`. */
export function serverTransport({ baseURL, getToken }: Server): Transport {
  return async (request, watch, signal) => {
    const token = (await faulty('token', async () => getToken?.())) || undefined;
    // A server, or the browser, may repeat the token; nobody else is to read it.
    const scrub = (words: string): string => (token === undefined ? words : words.replaceAll(token, '[TOKEN]'));
    try {
      return await faulty('network', () => post(baseURL + request.path, token, request, watch, signal, scrub));
    } catch (thrown) {
      throw thrown instanceof Fault ? new Fault(thrown.fault, scrub(thrown.message)) : thrown;
    }
  };
}

async function post(
  url: string,
  token: string | undefined,
  { body, stream }: RemoteRequest,
  { leaving, feed }: Watch,
  signal: AbortSignal,
  scrub: (words: string) => string,
): Promise<Reply> {
  // The token may have come too late.
  signal.throwIfAborted();
  leaving();
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body,
    signal,
    credentials: 'same-origin',
    // A redirect would carry the text and the token to an address that nobody named.
    redirect: 'manual',
    referrerPolicy: 'no-referrer',
    cache: 'no-store',
  });
  if (response.type === 'opaqueredirect')
    throw new Fault('redirect', 'the server sends elsewhere, which is not followed');
  const contentType = response.headers.get('content-type');
  if (stream && response.ok && /^text\/event-stream\b/i.test(contentType ?? '')) {
    await pump(response, feed);
    return { type: 'streamed' };
  }
  const retryAfter = response.headers.get('retry-after');
  return {
    type: 'response',
    status: response.status,
    ...(retryAfter !== null && { retry_after: retryAfter }),
    ...(contentType !== null && { content_type: contentType }),
    body: scrub(await boundedText(response)),
  };
}

/** Hands a body over piece by piece, each once the one before was read. */
async function pump(response: Response, feed: Feed): Promise<void> {
  const reader = response.body?.getReader();
  let bytes = 0;
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    bytes += part.value.length;
    if (bytes > MAX_STREAM_BYTES) throw tooLarge(MAX_STREAM_BYTES);
    if (await feed(part.value, false)) break;
  }
  await feed(NO_BYTES, true);
}

function tooLarge(bytes: number): Fault {
  return new Fault('too-large', `the reply is longer than ${bytes} bytes`);
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    bytes += part.value.length;
    if (bytes > MAX_REPLY_BYTES) throw tooLarge(MAX_REPLY_BYTES);
    text += decoder.decode(part.value, { stream: true });
  }
  return text + decoder.decode();
}
