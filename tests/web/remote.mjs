// Mock of a remote model's server: OpenAI's chat completions over HTTP, by aimock, with a choice of answers and faults.
//
// As a program it prints {"url":"http://127.0.0.1:PORT/v1"} and runs until it is stopped.
import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';

import { LLMock } from '@copilotkit/aimock';

const PATH = '/v1/chat/completions';

/** Faults that aimock has built in. */
const CHAOS = {
  /** The connection breaks without a reply. */
  drop: { disconnectRate: 1 },
  /** Status 200, a body that is not JSON. */
  malformed: { malformedRate: 1 },
  /** Status 429 with Retry-After. */
  429: { rateLimitRate: 1 },
  /** Longer than any timeout of a test; aimock's maximum. It does not wait for a client that has left. */
  slow: { latencyMs: 30_000 },
};

/** Faults of the content, in a correct reply. */
const CONTENT = {
  /** A label that was not offered. */
  'outside-label': JSON.stringify({ label: 'a label that was not offered' }),
  /** Prose where JSON was requested. */
  'not-json': 'I would say that this is most likely fine.',
};

const completion = (choices) =>
  JSON.stringify({ id: 'chatcmpl-0', object: 'chat.completion', created: 0, model: 'any', choices });

/** Faults of the whole reply: [status, content type, body]. */
const RAW = {
  500: () => [
    500,
    'application/json',
    JSON.stringify({ error: { message: 'the server had an error', type: 'server_error' } }),
  ],
  /** The start page of a proxy or a hotel. */
  html: () => [200, 'text/html', '<!doctype html><title>Welcome</title><p>Please sign in.'],
  'empty-choices': () => [200, 'application/json', completion([])],
  /** Far larger than any answer: 8 MiB. */
  huge: () => [
    200,
    'application/json',
    completion([{ index: 0, message: { role: 'assistant', content: 'x'.repeat(8 << 20) }, finish_reason: 'stop' }]),
  ],
};

/** The names that `set` takes. */
export const FAULTS = [...Object.keys(CHAOS), ...Object.keys(CONTENT), ...Object.keys(RAW)].sort();

/** The labels that a request's JSON schema offers. */
export function labelsOf(request) {
  return request.response_format?.json_schema?.schema?.properties?.label?.enum ?? [];
}

/** One of the labels offered, the same one for the same messages. */
export function anyLabel(request) {
  const labels = labelsOf(request);
  const digest = createHash('sha256').update(JSON.stringify(request.messages)).digest();
  return labels[digest.readUInt32BE() % labels.length];
}

/**
 * Starts a server on a free port of loopback.
 *
 * @param {{ label?: (request: object) => string | string[], reply?: (request: object) => object }} [options] The label that answers a
 * request, or all labels that apply; or the whole response, as aimock has it: `{ content }`, `{ toolCalls }`.
 */
export async function startRemote({ label = anyLabel, reply } = {}) {
  let choose = label;
  let fault;
  let journal;
  // aimock's journal hides the bearer token, which tests look at.
  const headersOf = new Map();
  const mock = new LLMock({ host: '127.0.0.1', port: 0, logLevel: 'silent', journalMaxEntries: 0 });

  mock.mount(PATH, {
    setJournal: (given) => (journal = given),
    async handleRequest(request, response) {
      headersOf.set(request.headers['x-request-id'], { ...request.headers });
      if (request.method !== 'POST' || !(fault in RAW)) return false;
      const body = JSON.parse(await textOf(request));
      const [status, type, text] = RAW[fault]();
      journal.add({
        method: request.method,
        path: PATH,
        headers: request.headers,
        body,
        response: { status, fixture: null },
      });
      response.writeHead(status, { 'content-type': type, 'access-control-allow-origin': '*' }).end(text);
      return true;
    },
  });
  const content = (said) => JSON.stringify(Array.isArray(said) ? { labels: said } : { label: said });
  const respond = (request) => reply?.(request) ?? { content: content(choose(request)) };
  mock.on({ endpoint: 'chat' }, (request) => (fault in CONTENT ? { content: CONTENT[fault] } : respond(request)));
  await mock.start();
  let stopped;

  return {
    url: `${mock.url}/v1`,
    /** The requests so far as the server received them: `{ headers, body }`. */
    get requests() {
      return mock.getRequests().map(({ headers, body: { _endpointType, ...body } }) => ({
        headers: headersOf.get(headers['x-request-id']),
        body,
      }));
    },
    /** Changes the answers: `{ label }` or `{ fault: name }`; without either, as at the start. */
    set({ label: next = label, fault: name } = {}) {
      if (name !== undefined && !FAULTS.includes(name))
        throw new Error(`unknown fault '${name}', expected one of ${FAULTS.join(', ')}`);
      choose = next;
      fault = name;
      mock.setChaos(CHAOS[name] ?? {});
    },
    /** Forgets the requests so far. */
    forget: () => mock.clearRequests(),
    stop: () => (stopped ??= mock.stop()),
  };
}

async function textOf(request) {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += part;
  return text;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { url } = await startRemote();
  console.log(JSON.stringify({ url }));
}
