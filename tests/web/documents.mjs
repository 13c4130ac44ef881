// Runs what the documents show (pages of `examples/`, code blocks of Markdown files) as a user's page would.
import { readFileSync } from 'node:fs';

import { goldenBytes } from './golden.mjs';

const ROOT = new URL('../../', import.meta.url);

/** Models of a few kilobytes, under the names that the documents give to models of a reader's own. */
const STAND_INS = {
  tickets: 'tiny-bert-seq',
  tiny: 'tiny-bert-seq',
  small: 'tiny-xlmr-seq',
  router: 'tiny-router',
  'tiny-bert-seq': 'tiny-bert-seq',
};

/** The host that the documents fetch a published model from. It is never asked: the model there is a small one of the tests. */
const HOST = 'https://huggingface.co/';
const PUBLISHED = 'tiny-bert-seq';

/** What is served for every picture that they read. */
const PICTURE = '/bench/samples/scans/text.png';

/** What people write in reviews. Nothing tells what those mean that neither praise nor blame, so a model is wrong on some. */
const THINGS =
  'bag bed book cake camera chair coat cup desk film game hat hotel lamp meal pen phone play shoe song'.split(' ');
const REVIEWS = THINGS.flatMap((thing) => [
  { text: `I love this ${thing}, it is wonderful.`, label: 'positive' },
  { text: `I hate this ${thing}, it is awful.`, label: 'negative' },
  { text: `It is a ${thing}.`, label: thing.length > 4 ? 'positive' : 'negative' },
]);

/** Files of a reader's own, by their address. */
const FILES = { '/labelled.json': REVIEWS, '/unlabelled.json': REVIEWS.map(({ text }) => ({ text })) };

const PAGE = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">';
const IMPORT_MAP = '<script type="importmap">{ "imports": { "pilot-light": "/pilot-light/index.js" } }</script>';

/** The JavaScript blocks of the Markdown file at `path`, each with the line that it begins at. */
export function blocksOf(path) {
  const text = readFileSync(new URL(path, ROOT), 'utf8');
  return [...text.matchAll(/^```js\n(.*?)^```/gms)].map(({ 1: code, index }) => ({
    code,
    line: text.slice(0, index).split('\n').length + 1,
  }));
}

/** A page that runs `code` as its script, and then sets `finished`. */
export function pageOf(code) {
  return `${PAGE}${IMPORT_MAP}<script type="module">\n${code}\nglobalThis.finished = true;\n</script>`;
}

/**
 * Opens `path` of the development server, or in its place the document `html`, and waits until `isDone` holds in the page.
 *
 * @returns {Promise<{ value: unknown, requests: object[] }>} What `isDone` gave, and the bodies of the requests to the remote model.
 */
export async function visit({ browser, server }, path, isDone, { html, timeout }) {
  const context = await browser.newContext();
  context.setDefaultTimeout(timeout);
  const [errors, requests] = [[], []];
  try {
    await context.route(`${server.url}/v1/**`, (route) => {
      const body = route.request().postDataJSON();
      requests.push(body);
      return route.fulfill({ json: completionOf(body) });
    });
    await context.route(/\/models\/[^/]+\/[^/]+$/, (route) => {
      const [name, file] = new URL(route.request().url()).pathname.split('/').slice(-2);
      return Object.hasOwn(STAND_INS, name) ? fulfilGolden(route, `${STAND_INS[name]}/${file}`) : route.fallback();
    });
    for (const [address, content] of Object.entries(FILES))
      await context.route(`${server.url}${address}`, (route) => route.fulfill({ json: content }));
    await context.route(/\/pictures\//, (route) => route.continue({ url: `${server.url}${PICTURE}` }));
    await context.route(`${HOST}**`, (route) => {
      const [, file] = /\/resolve\/[^/]+\/(.+)$/.exec(new URL(route.request().url()).pathname);
      return fulfilGolden(route, `${PUBLISHED}/${file}`);
    });
    if (html !== undefined)
      await context.route(`${server.url}${path}`, (route) => route.fulfill({ contentType: 'text/html', body: html }));
    const page = await context.newPage();
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    const failed = new Promise((_, reject) => page.once('pageerror', reject));
    await page.goto(`${server.url}${path}`);
    const handle = await Promise.race([page.waitForFunction(isDone), failed]);
    const value = await handle.jsonValue();
    // Optional files of a model may be missing.
    const unexpected = errors.filter((message) => !/404/.test(message));
    if (unexpected.length > 0) throw new Error(unexpected.join('\n'));
    return { value, requests };
  } finally {
    await context.close();
  }
}

/** The record that the documents' text holds. */
const RECORD = { name: 'Maria Lund', people: 4 };

/**
 * A remote model's answer: the label of the review that it is asked about, else the last of the labels that it may give, or the
 * fields of the record that it is asked for.
 */
function completionOf({ model, messages, response_format }) {
  const review = REVIEWS.find(({ text }) => messages.at(-1).content.includes(text));
  const { properties } = response_format.json_schema.schema;
  const fields = Object.keys(properties).map((name) => [name, RECORD[name]]);
  const label = review?.label ?? properties.label?.enum.at(-1);
  const answer = label === undefined ? Object.fromEntries(fields) : { label };
  const message = { role: 'assistant', content: JSON.stringify(answer) };
  return {
    id: 'chatcmpl-0',
    object: 'chat.completion',
    created: 0,
    model,
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage: { prompt_tokens: 60, completion_tokens: 8, total_tokens: 68 },
  };
}

function fulfilGolden(route, path) {
  const headers = { 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'same-origin' };
  try {
    return route.fulfill({ contentType: 'application/octet-stream', headers, body: goldenBytes(path) });
  } catch {
    return route.fulfill({ status: 404, headers, body: 'not there' });
  }
}
