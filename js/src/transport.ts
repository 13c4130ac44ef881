import { abortable, throwIfAborted, withController } from './abort.js';
import { messageOf } from './errors.js';
import { invalid } from './input.js';
import type { RemoteEvent, RemoteRequest } from './types.js';

/** Where the general model is, and how to be let in. */
export interface Remote {
  /** The address that `/chat/completions` is under, e.g. `'/v1'`. */
  baseURL: string;
  /** The name that the server knows the model by. */
  model: string;
  /** Gives the bearer token of a request. Called for each one, in the page; the worker never sees it. */
  getToken?: () => string | undefined | Promise<string | undefined>;
  /** How long one attempt may take. */
  timeout_ms?: number;
}

/** A reply to a classification is short; a longer one than this is not one. */
const MAX_REPLY_BYTES = 1 << 20;

type FaultKind = Extract<RemoteEvent, { type: 'fault' }>['fault'];

/** An attempt that ended without a reply, and what of it failed. */
class Fault extends Error {
  constructor(
    readonly fault: FaultKind,
    message: string,
  ) {
    super(message);
  }
}

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
  return url.href.replace(/\/+$/, '');
}

/**
 * Makes one attempt to reach the remote model and tells what came of it. Whatever goes wrong is an
 * event, for the cascade to decide on; only an abort by the caller rejects.
 */
export async function attempt(remote: Remote, request: RemoteRequest, signal: AbortSignal | undefined): Promise<RemoteEvent> {
  await pause(request.delay_ms, signal);
  const started = performance.now();
  const elapsed = (): number => performance.now() - started;
  try {
    const reply = await withController(signal, async (controller) => {
      const timer = setTimeout(() => controller.abort(), request.deadline_ms);
      try {
        return await abortable(send(remote, request, controller.signal), controller.signal);
      } finally {
        clearTimeout(timer);
        // Whatever of the request is still under way has no reader any more.
        controller.abort();
      }
    });
    return { type: 'response', ...reply, elapsed_ms: elapsed() };
  } catch (thrown) {
    throwIfAborted(signal);
    if (thrown instanceof Fault) return { type: 'fault', fault: thrown.fault, message: thrown.message, elapsed_ms: elapsed() };
    return { type: 'fault', fault: 'timeout', message: `no answer within ${request.deadline_ms} ms`, elapsed_ms: elapsed() };
  }
}

interface Reply {
  status: number;
  retry_after?: string;
  content_type?: string;
  body: string;
}

async function send(remote: Remote, request: RemoteRequest, signal: AbortSignal): Promise<Reply> {
  const token = await faulty('token', async () => remote.getToken?.());
  return faulty('network', async () => {
    const response = await fetch(remote.baseURL + request.path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
      body: request.body,
      signal,
      credentials: 'same-origin',
      // A redirect would carry the text and the token to an address that nobody named.
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      cache: 'no-store',
    });
    const body = await boundedText(response);
    const retryAfter = response.headers.get('retry-after');
    const contentType = response.headers.get('content-type');
    return {
      status: response.status,
      ...(retryAfter !== null && { retry_after: retryAfter }),
      ...(contentType !== null && { content_type: contentType }),
      body,
    };
  });
}

/** `work`, whose failure is a fault of that kind. */
async function faulty<T>(fault: FaultKind, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw thrown instanceof Fault ? thrown : new Fault(fault, messageOf(thrown));
  }
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    bytes += part.value.length;
    if (bytes > MAX_REPLY_BYTES) throw new Fault('too-large', `the reply is longer than ${MAX_REPLY_BYTES} bytes`);
    text += decoder.decode(part.value, { stream: true });
  }
  return text + decoder.decode();
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  if (ms <= 0) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await abortable(over, signal).finally(() => clearTimeout(timer));
}
