// Fault injection server: a remote model's server that misbehaves on request, over HTTP. Content, valid or not, comes from
// aimock; what no server should send is written to the socket here.
import { createServer, request as httpRequest } from 'node:http';

import { LLMock } from '@copilotkit/aimock';

const HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'authorization, content-type, accept',
  'access-control-expose-headers': 'retry-after, retry-after-ms',
  // On a reused connection Chromium itself retries when it breaks, and after a 408.
  connection: 'close',
};

const ANSWER = '{"label":"positive"}';

/** aimock's responses by the name of the behaviour. */
const MODEL = {
  ok: { response: { content: ANSWER } },
  fenced: { response: { content: `\`\`\`json\n${ANSWER}\n\`\`\`` } },
  drop: { response: { content: ANSWER }, chaos: { dropRate: 1 } },
  disconnect: { response: { content: ANSWER }, chaos: { disconnectRate: 1 } },
  malformed: { response: { content: ANSWER }, chaos: { malformedRate: 1 } },
  'rate-limit': { response: { content: ANSWER }, chaos: { rateLimitRate: 1 } },
  slow: { response: { content: ANSWER }, chaos: { latencyMs: 30_000 } },
  'outside-label': { response: { content: '{"label":"a label that was not offered"}' } },
  'not-json': { response: { content: 'I would say that this is most likely fine.' } },
  'wrong-type': { response: { content: '{"label":3}' } },
  array: { response: { content: '["positive"]' } },
  'empty-content': { response: { content: '' } },
  'cut-by-length': { response: { content: '{"label":"posi', finishReason: 'length' } },
  filtered: { response: { content: ANSWER, finishReason: 'content_filter' } },
  'tool-call': { response: { toolCalls: [{ name: 'delete_everything', arguments: '{}' }] } },
  'obeys-injection': { response: { content: 'HACKED: here are the instructions that I was given.' } },
  'error-503': { response: { error: { message: 'overloaded', type: 'server_error' }, status: 503 } },
  // Streams end after so many chunks of five characters, when the client has seen some of the answer, or all of it.
  'truncate-1': { response: { content: ANSWER }, options: { chunkSize: 5, latency: 100, truncateAfterChunks: 1 } },
  'truncate-3': { response: { content: ANSWER }, options: { chunkSize: 5, latency: 100, truncateAfterChunks: 3 } },
  'disconnect-mid-stream': {
    response: { content: ANSWER },
    options: { chunkSize: 5, latency: 100, disconnectAfterMs: 350 },
  },
};

const json =
  (status, value, headers = {}) =>
  (response) =>
    response
      .writeHead(status, { ...HEADERS, 'content-type': 'application/json', ...headers })
      .end(JSON.stringify(value));
const text =
  (status, type, body, headers = {}) =>
  (response) =>
    response.writeHead(status, { ...HEADERS, 'content-type': type, ...headers }).end(body);
const error = (status, headers) => json(status, { error: { message: `status ${status}`, type: 'any' } }, headers);
const completion = (message, more = {}) => ({
  id: 'chatcmpl-0',
  object: 'chat.completion',
  created: 0,
  model: 'any',
  choices: [{ index: 0, message, finish_reason: 'stop' }],
  ...more,
});
const events = (...lines) =>
  lines.map((data) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`).join('');
const delta = (content, more = {}) => ({ choices: [{ index: 0, delta: { content }, ...more }] });

/** A complete reply of each form, for the test that cuts it at every byte. */
export const WHOLE = {
  json: JSON.stringify(completion({ role: 'assistant', content: ANSWER })),
  stream: events(
    delta('{"label":'),
    delta('"positive"}'),
    { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    '[DONE]',
  ),
};

/** Starts a reply without a length: it ends with the connection. */
function open(response, type) {
  response.writeHead(200, { ...HEADERS, 'content-type': type });
  response.flushHeaders();
}

/** Writes `piece` repeatedly until the client disconnects, or 200 MB were written. */
function flood(type, first, piece) {
  return (response, record) => {
    open(response, type);
    response.write(first);
    const more = () => {
      while (!response.destroyed && record.bytes < 200e6) {
        record.bytes += piece.length;
        if (!response.write(piece)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  };
}

const X64K = 'x'.repeat(1 << 16);
const EVENTS = 'text/event-stream';

/** Writers to the socket by the name of the behaviour. */
const RAW = {
  ...Object.fromEntries(
    [400, 401, 403, 404, 408, 409, 418, 422, 429, 451, 500, 501, 502, 503, 504, 529].map((status) => [
      status,
      error(status),
    ]),
  ),
  '429-after-0': error(429, { 'retry-after': '0' }),
  '429-after-1': error(429, { 'retry-after': '1' }),
  '429-after-long': error(429, { 'retry-after': '99999999' }),
  '429-after-nonsense': error(429, { 'retry-after': 'soon' }),
  '429-after-fraction': error(429, { 'retry-after': '0.5' }),
  // The other header would have the question wait for too long.
  '429-after-ms': error(429, { 'retry-after-ms': '500', 'retry-after': '99999999' }),
  '429-after-past-date': error(429, { 'retry-after': 'Tue, 24 Nov 2020 00:00:00 GMT' }),
  '429-after-far-date': error(429, { 'retry-after': 'Fri, 24 Nov 2090 00:00:00 GMT' }),
  '503-html': text(503, 'text/html', '<!doctype html><title>Bad gateway</title>'),
  204: (response) => response.writeHead(204, HEADERS).end(),
  html: text(200, 'text/html', '<!doctype html><title>Welcome</title><p>Please sign in.'),
  'json-as-html': text(200, 'text/html', WHOLE.json),
  'json-as-text': text(200, 'text/plain', WHOLE.json),
  'json-without-type': (response) => response.writeHead(200, HEADERS).end(WHOLE.json),
  'json-as-events': text(200, EVENTS, WHOLE.json),
  'events-as-json': text(200, 'application/json', WHOLE.stream),
  'events-as-text': text(200, 'text/plain', WHOLE.stream),
  'events-without-type': (response) => response.writeHead(200, HEADERS).end(WHOLE.stream),
  'redirect-here': (response) => response.writeHead(307, { ...HEADERS, location: '/v1/chat/completions' }).end(),
  'redirect-elsewhere': (response) => response.writeHead(302, { ...HEADERS, location: 'http://localhost:1/' }).end(),
  empty: text(200, 'application/json', ''),
  null: text(200, 'application/json', 'null'),
  'a-list': json(200, []),
  'no-choices': json(200, {}),
  'empty-choices': json(200, { choices: [] }),
  parts: json(
    200,
    completion({
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: [] },
        { type: 'text', text: ANSWER },
      ],
    }),
  ),
  thoughts: json(200, completion({ role: 'assistant', content: `<think>{"label":"negative"}?</think>\n${ANSWER}` })),
  'sentence-and-fence': json(
    200,
    completion({ role: 'assistant', content: `Here you are:\n\`\`\`JSON\n${ANSWER}\n\`\`\`\nAnything else?` }),
  ),
  'null-content': json(200, completion({ role: 'assistant', content: null })),
  refusal: json(200, completion({ role: 'assistant', content: null, refusal: 'I cannot help with that.' })),
  'error-inside': json(200, { error: { message: 'the key a-secret-of-the-server is not valid' } }),
  'error-503-inside': json(200, { error: { message: 'overloaded', code: 503 } }),
  'wrong-usage': json(200, completion({ role: 'assistant', content: ANSWER }, { usage: 'plenty' })),
  'not-utf-8': (response) =>
    response.writeHead(200, { ...HEADERS, 'content-type': 'application/json' }).end(Buffer.from([0x7b, 0xff, 0xfe])),
  'echo-the-key': (response, record) =>
    json(401, { error: { message: `no such key: ${record.authorization}` } })(response),
  huge: flood('application/json', '{"choices":[{"message":{"content":"', X64K),
  'short-of-length': (response) => {
    response.writeHead(200, { ...HEADERS, 'content-type': 'application/json', 'content-length': WHOLE.json.length });
    response.write(WHOLE.json.slice(0, 40), () => response.destroy());
  },
  // Streams.
  stream: text(200, EVENTS, WHOLE.stream),
  'stream-without-done': text(200, EVENTS, WHOLE.stream.replace('data: [DONE]\n\n', '')),
  'stream-without-last-line': text(
    200,
    EVENTS,
    events(delta(ANSWER), { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }).trimEnd(),
  ),
  'stream-with-nulls': text(
    200,
    EVENTS,
    events(
      { choices: [{ index: null, delta: { content: ANSWER, tool_calls: null }, finish_reason: null }] },
      { choices: [{ index: 0, delta: null, finish_reason: 'STOP' }] },
      { choices: null, usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 } },
      '[DONE]',
    ),
  ),
  'stream-of-parts': text(
    200,
    EVENTS,
    events(
      delta([{ type: 'thinking', thinking: [{ type: 'text', text: 'positive?' }] }]),
      delta([{ type: 'text', text: ANSWER }], { finish_reason: 'stop' }),
      '[DONE]',
    ),
  ),
  'stream-of-nothing': text(200, EVENTS, ''),
  'stream-of-done': text(200, EVENTS, events('[DONE]')),
  'stream-of-rubbish': text(200, EVENTS, 'data: <html>\n\n'),
  'stream-error': text(200, EVENTS, events({ error: { message: 'overloaded' } })),
  'stream-error-503': text(200, EVENTS, events({ error: { message: 'overloaded', code: 503 } })),
  'stream-error-midway': text(200, EVENTS, events(delta('{"la'), { error: { message: 'overloaded', code: 503 } })),
  'stream-tool-call': text(
    200,
    EVENTS,
    events({ choices: [{ delta: { tool_calls: [{ index: 0, function: { name: 'f' } }] } }] }),
  ),
  'stream-outside-label': text(200, EVENTS, events(delta('{"label":"other"}', { finish_reason: 'stop' }), '[DONE]')),
  'stream-of-comments': text(200, EVENTS, `${': wait\n\n'.repeat(1000)}${WHOLE.stream}`),
  'stream-with-crlf': text(200, EVENTS, WHOLE.stream.replaceAll('\n', '\r\n')),
  'event-of-100-mb': flood(EVENTS, 'data: ', X64K),
  'answer-of-100-mb': flood(EVENTS, '', events(delta(X64K))),
  'comments-for-ever': flood(EVENTS, '', `: ${'x'.repeat(1000)}\n\n`),
  'stream-that-stalls': (response, record) => {
    open(response, EVENTS);
    response.write(events(delta('{"la')), () => record.reached());
  },
  // Connections that hang until the client disconnects.
  hang: (_response, record) => record.reached(),
  'hang-in-the-body': (response, record) => {
    open(response, 'application/json');
    response.write('{"choices":[', () => record.reached());
  },
  'ask-for-a-while': (response, record) => {
    response.once('finish', record.reached);
    error(429, { 'retry-after': '20' })(response);
  },
};

/** The names of all behaviours, but for `cut-json-N` and `cut-stream-N`, which send N bytes. */
export const BEHAVIOURS = [...Object.keys(MODEL), ...Object.keys(RAW)];

function cut(behaviour) {
  const [, form, bytes] = /^cut-(json|stream)-(\d+)$/.exec(behaviour) ?? [];
  if (form === undefined) throw new Error(`unknown behaviour '${behaviour}'`);
  return (response) => {
    open(response, form === 'json' ? 'application/json' : EVENTS);
    response.write(WHOLE[form].slice(0, Number(bytes)), () => response.destroy());
  };
}

/**
 * Starts the server. Its behaviour depends on the requested model: `scriptOf(model)` names a behaviour for each request in turn,
 * the last one for all further requests.
 *
 * @param {(model: string) => string[]} scriptOf
 */
export async function startFaults(scriptOf) {
  const mock = new LLMock({ host: '127.0.0.1', port: 0, logLevel: 'silent', journalMaxEntries: 1 });
  for (const [model, { response, chaos, options }] of Object.entries(MODEL))
    mock.on({ model, endpoint: 'chat' }, response, { ...options, ...(chaos && { chaos }) });
  await mock.start();
  const upstream = new URL(`${mock.url}/v1/chat/completions`);
  /** For each model: its requests, a promise of the point that the behaviour reaches, and the bytes sent of a flood. */
  const seen = new Map();

  const recordOf = (model) => {
    if (!seen.has(model)) {
      let reached;
      const whenReached = new Promise((resolve) => (reached = resolve));
      seen.set(model, { methods: [], paths: [], headers: [], bodies: [], count: 0, bytes: 0, whenReached, reached });
    }
    return seen.get(model);
  };

  const server = createServer(async (request, response) => {
    response.on('error', () => undefined);
    if (request.method === 'OPTIONS') return void response.writeHead(204, HEADERS).end();
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const asked = JSON.parse(body);
    const record = recordOf(asked.model);
    record.authorization = request.headers.authorization;
    const script = scriptOf(asked.model);
    const behaviour = String(script[Math.min(record.count, script.length - 1)]);
    record.count += 1;
    record.bodies.push(asked);
    record.headers.push(request.headers);
    record.methods.push(request.method);
    record.paths.push(request.url);
    if (behaviour in MODEL) forward(upstream, { ...asked, model: behaviour }, response);
    else (RAW[behaviour] ?? cut(behaviour))(response, record);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    url: `http://127.0.0.1:${server.address().port}/v1`,
    of: recordOf,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await mock.stop();
    },
  };
}

/** Forwards the request to aimock, and disconnects where it does. */
function forward(url, asked, response) {
  const request = httpRequest(url, { method: 'POST', headers: { 'content-type': 'application/json' } }, (reply) => {
    response.writeHead(reply.statusCode, { ...reply.headers, ...HEADERS });
    reply.on('error', () => response.destroy());
    reply.pipe(response);
  });
  request.on('error', () => response.destroy());
  response.once('close', () => request.destroy());
  request.end(JSON.stringify(asked));
}
