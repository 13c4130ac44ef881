// A general model's server as the cascade meets it: OpenAI's chat completions over real HTTP, by
// aimock, with a choice of answers and of faults.
//
// As a program it prints {"url":"http://127.0.0.1:PORT/v1"} and stays until it is stopped.
import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';

import { LLMock } from '@copilotkit/aimock';

const PATH = '/v1/chat/completions';

/** Faults that aimock makes by itself. */
const CHAOS = {
  /** The connection breaks without an answer. */
  drop: { disconnectRate: 1 },
  /** Status 200, a body that is cut out of no JSON. */
  malformed: { malformedRate: 1 },
  /** Status 429 with Retry-After. */
  429: { rateLimitRate: 1 },
  /** Longer than any deadline of a test; aimock's longest. A client that leaves is not waited for. */
  slow: { latencyMs: 30_000 },
};

/** Faults that lie in what the model says, in a correct reply. */
const CONTENT = {
  /** A label that nobody offered. */
  'outside-label': JSON.stringify({ label: 'a label that nobody offered' }),
  /** Words where JSON was asked for. */
  'not-json': 'I would say that this is most likely fine.',
};

const completion = (choices) => JSON.stringify({ id: 'chatcmpl-0', object: 'chat.completion', created: 0, model: 'any', choices });

/** Faults of the reply as a whole: [status, content type, body]. */
const RAW = {
  500: () => [500, 'application/json', JSON.stringify({ error: { message: 'the server had an error', type: 'server_error' } })],
  /** A proxy's or a hotel's start page. */
  html: () => [200, 'text/html', '<!doctype html><title>Welcome</title><p>Please sign in.'],
  'empty-choices': () => [200, 'application/json', completion([])],
  /** More than any classification needs: 8 MiB. */
  huge: () => [200, 'application/json', completion([{ index: 0, message: { role: 'assistant', content: 'x'.repeat(8 << 20) }, finish_reason: 'stop' }])],
};

/** The names that `set` takes. */
export const FAULTS = [...Object.keys(CHAOS), ...Object.keys(CONTENT), ...Object.keys(RAW)].sort();

/** The labels that a request's JSON schema offers. */
export function labelsOf(request) {
  return request.response_format?.json_schema?.schema?.properties?.label?.enum ?? [];
}

/** One of the labels offered, always the same one for the same messages. */
export function anyLabel(request) {
  const labels = labelsOf(request);
  const digest = createHash('sha256').update(JSON.stringify(request.messages)).digest();
  return labels[digest.readUInt32BE() % labels.length];
}

/**
 * Starts a server on a free port of loopback.
 *
 * @param {{ label?: (request: object) => string }} [options] Which label a request is answered with.
 */
export async function startRemote({ label = anyLabel } = {}) {
  let choose = label;
  let fault;
  let journal;
  // The journal of aimock hides the bearer token, which is what a test may want to see.
  const headersOf = new Map();
  const mock = new LLMock({ host: '127.0.0.1', port: 0, logLevel: 'silent', journalMaxEntries: 0 });

  mock.mount(PATH, {
    setJournal: (given) => (journal = given),
    async handleRequest(request, response) {
      headersOf.set(request.headers['x-request-id'], { ...request.headers });
      if (request.method !== 'POST' || !(fault in RAW)) return false;
      const body = JSON.parse(await textOf(request));
      const [status, type, reply] = RAW[fault]();
      journal.add({ method: request.method, path: PATH, headers: request.headers, body, response: { status, fixture: null } });
      response.writeHead(status, { 'content-type': type, 'access-control-allow-origin': '*' }).end(reply);
      return true;
    },
  });
  mock.on({ endpoint: 'chat' }, (request) => ({ content: CONTENT[fault] ?? JSON.stringify({ label: choose(request) }) }));
  await mock.start();
  let stopped;

  return {
    url: `${mock.url}/v1`,
    /** The requests answered so far, well or badly, as the server saw them: `{ headers, body }`. */
    get requests() {
      return mock.getRequests().map(({ headers, body: { _endpointType, ...body } }) => ({ headers: headersOf.get(headers['x-request-id']), body }));
    },
    /** Answers from now on as told: `{ label: (request) => string }`, or `{ fault: name }`; `{}` as at the start. */
    set({ label: next = label, fault: name } = {}) {
      if (name !== undefined && !FAULTS.includes(name)) throw new Error(`'${name}' is no fault; there are ${FAULTS.join(', ')}.`);
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
