// Drives the page's main job once on each device, against a running server that has a remote:
//
//     node check.mjs ADDRESS [DEVICE...]
//
// Prints one line of JSON with what it saw, and fails where something is missing. Why, is on stderr.
import { chromium } from 'playwright-core';

import { launchOptions } from './browser.mjs';

const [address, ...named] = process.argv.slice(2);
if (!address) {
  console.error('usage: node check.mjs ADDRESS [DEVICE...]');
  process.exit(2);
}

/** Few messages: in software, WebGPU takes seconds for each. Among them are sure and unsure ones. */
const LIMIT = 8;
const PATIENCE_MS = 10 * 60_000;
const WEBGPU = { wasm: 'none', webgpu: 'software' };

const devices = {};
const missing = [];
for (const device of named.length > 0 ? named : Object.keys(WEBGPU)) {
  console.error(`Sorting ${LIMIT} messages on ${device}.`);
  devices[device] = await see(device);
  missing.push(...lacks(devices[device], device).map((what) => `${device}: ${what}`));
}
console.log(JSON.stringify({ command: 'demo --check', ok: missing.length === 0, devices }));
for (const what of missing) console.error(what);
process.exit(missing.length === 0 ? 0 : 1);

/** What the page shows once it is done. */
async function see(device) {
  const browser = await chromium.launch(launchOptions(WEBGPU[device]));
  try {
    const page = await browser.newPage();
    const errors = [];
    const replies = [];
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('response', (response) => response.url().endsWith('/chat/completions') && replies.push(readReply(response)));
    await page.goto(new URL(`/?device=${device}&model=spam&remote=/v1&limit=${LIMIT}`, address).href);
    await page.waitForFunction(() => ['done', 'error'].includes(document.body.dataset.state), undefined, { timeout: PATIENCE_MS });
    const shown = await page.evaluate(read);
    const delegated = shown.rows.find(({ route }) => route === 'remote');
    // The row shows the request as it was sent.
    const reply = delegated && (await Promise.all(replies)).find(({ body }) => body === delegated.sent);
    return {
      state: shown.state,
      device: shown.device,
      local: shown.rows.find(({ route, reason }) => route === 'local' && reason === 'confident'),
      delegated: delegated && { ...delegated, usage: reply?.usage },
      totals: shown.totals,
      errors,
    };
  } catch (error) {
    return { errors: [String(error)] };
  } finally {
    await browser.close();
  }
}

/** Runs in the page. */
function read() {
  const words = (row, part) => row.querySelector(`[data-part=${part}]`).textContent;
  const number = (id) => Number(document.getElementById(id).dataset.value);
  const { state, device } = document.body.dataset;
  return {
    state,
    device: { kind: device, words: document.getElementById('device-words').textContent },
    rows: Array.from(document.querySelectorAll('[data-route]'), (row) => {
      const { route, reason, label, confidence, latencyMs } = row.dataset;
      const sent = row.querySelector('[data-part=sent] pre')?.textContent;
      return { text: words(row, 'text'), sent, route, reason, label, confidence: Number(confidence), latency_ms: Number(latencyMs) };
    }),
    totals: {
      messages: document.querySelectorAll('[data-route]').length,
      requests: Number(document.body.dataset.requests),
      tokens: number('total-tokens'),
      local_ms: number('total-here'),
      remote_ms: number('total-there'),
    },
  };
}

/** What was asked, and what it cost. */
async function readReply(response) {
  const { usage } = await response.json().catch(() => ({}));
  return { body: response.request().postData(), usage };
}

/** What is missing from `seen`, in words. */
function lacks({ state, device, local, delegated, errors }, asked) {
  return [
    state !== 'done' && `the page did not get done${state ? `, but '${state}'` : ''}`,
    device?.kind !== asked && `the device was ${device?.kind ?? 'none'}: ${device?.words ?? ''}`,
    !local && 'no message was answered here',
    !delegated && 'no message was delegated',
    delegated && !(delegated.usage?.total_tokens > 0) && 'the delegated answer has no token usage',
    ...errors.map((error) => `an error in the page: ${error}`),
  ].filter(Boolean);
}
