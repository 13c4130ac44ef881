// Compatibility: the requests of a cascade compared with those of OpenAI's official client for the same call.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import OpenAI from 'openai';

import { startFaults } from './faults-server.mjs';
import { LIMIT, openBrowser } from './package-page.mjs';

/** Headers that only one of them sends: the client's identity, and what a browser adds to every request. */
const OURS =
  /^(sec-|accept-encoding$|accept-language$|origin$|referer$|cache-control$|pragma$|priority$|host$|connection$|content-length$|user-agent$)/;
const THEIRS =
  /^(x-stainless-|user-agent$|host$|connection$|content-length$|accept-encoding$|accept-language$|sec-fetch-mode$|openai-)/;

describe('compared with the official client', LIMIT, () => {
  let server;
  let opened;
  let page;
  before(async () => {
    server = await startFaults((model) => [/stream/.test(model) ? 'stream' : 'ok']);
    opened = await openBrowser({ webgpu: 'none' });
    page = await opened.page();
  });
  after(async () => {
    await opened?.close();
    await server?.stop();
  });

  for (const [task, model] of Object.entries({
    'text-classification': '/golden/tiny-bert-seq',
    'token-classification': '/golden/tiny-bert-token',
  })) {
    for (const stream of [false, true]) {
      test(`${task}${stream ? ', streamed' : ''}: the same request, field by field`, async () => {
        const name = `${task}${stream ? '-stream' : ''}`;
        const ours = await page.evaluate(
          async ([local, baseURL, model, stream]) => {
            const triage = await cascade({
              local,
              remote: { baseURL, model, getToken: () => 'the-token', retries: 0 },
              policy: { threshold: 1, privacy: 'allow' },
            });
            const { attempts } = await triage(
              'You have "won" 1 000 € …',
              stream ? { stream_callback: () => undefined } : {},
            );
            await triage.dispose();
            return attempts;
          },
          [{ task, model }, server.url, name, stream],
        );
        assert.ok(ours >= 1);
        const record = server.of(name);
        const [body, headers] = [record.bodies[0], record.headers[0]];
        const before = record.bodies.length;

        // The same call in the official client's own interface.
        const { messages, response_format, temperature, max_tokens } = body;
        const client = new OpenAI({ baseURL: server.url, apiKey: 'the-token', maxRetries: 0 });
        const asked = {
          model: name,
          messages,
          temperature,
          max_tokens,
          response_format,
          ...(stream && { stream: true, stream_options: { include_usage: true } }),
        };
        const reply = await client.chat.completions.create(asked);
        if (stream) for await (const _ of reply);
        const [theirBody, theirHeaders] = [record.bodies[before], record.headers[before]];

        assert.deepEqual(body, theirBody);
        const without = (headers, dropped) =>
          Object.fromEntries(
            Object.entries(headers)
              .filter(([key]) => !dropped.test(key))
              .sort(),
          );
        assert.deepEqual(without(headers, OURS), without(theirHeaders, THEIRS));
        assert.deepEqual(
          [headers.accept, headers['content-type'], headers.authorization],
          ['application/json', 'application/json', 'Bearer the-token'],
        );
        assert.deepEqual([record.methods[0], record.paths[0]], [record.methods[before], record.paths[before]]);
      });
    }
  }
});
