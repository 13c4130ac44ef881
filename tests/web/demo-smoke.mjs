// Smoke test of the demo page: its main job once on each device, against a running server that has a remote.
//
//     node demo-smoke.mjs ADDRESS [--slower TIMES] [DEVICE...]
//
// With --slower the browser is one on a slower machine, and Chromium throttles the page's own thread besides.
// Prints one line of JSON with what it saw, and fails where something is missing; stderr says what. It waits for outcomes
// and depends on no machine's speed: a page that still makes progress is waited for.
import { parseArgs } from 'node:util';

import { chromium } from 'playwright-core';

import { launchOptions } from './browser.mjs';
import { openDemo, settled } from './demo.mjs';
import { launchSlower } from './slow-browser.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { slower: { type: 'string' } } });
const [address, ...named] = positionals;
const slower = values.slower && Number(values.slower);
if (!address) {
  console.error('usage: node demo-smoke.mjs ADDRESS [--slower TIMES] [DEVICE...]');
  process.exit(2);
}

/** Few messages: WebGPU in software takes seconds for each. Some of them are sure and some unsure. */
const MESSAGES = 8;
const WEBGPU = { wasm: 'none', webgpu: 'software' };

const devices = {};
const missing = [];
for (const device of named.length > 0 ? named : Object.keys(WEBGPU)) {
  console.error(`Sorting ${MESSAGES} messages on ${device}.`);
  devices[device] = await visit(device);
  missing.push(...lacks(devices[device], device).map((what) => `${device}: ${what}`));
}
console.log(JSON.stringify({ command: 'demo --check', slower, ok: missing.length === 0, devices }));
for (const what of missing) console.error(what);
process.exit(missing.length === 0 ? 0 : 1);

/** What the page shows once it is done. */
async function visit(device) {
  const options = launchOptions(WEBGPU[device]);
  const browser = await (slower ? launchSlower(options, slower) : chromium.launch(options));
  try {
    const replies = [];
    const prepare = async (page) => {
      page.on(
        'response',
        (response) => response.url().endsWith('/chat/completions') && replies.push(readReply(response)),
      );
      if (!slower) return;
      const inspector = await page.context().newCDPSession(page);
      await inspector.send('Emulation.setCPUThrottlingRate', { rate: slower });
    };
    const page = await openDemo(
      browser,
      { url: new URL(address).origin },
      { device, model: 'spam', remote: '/v1', limit: MESSAGES },
      { prepare },
    );
    await settled(page);
    const shown = await page.evaluate(read);
    const delegated = shown.rows.find(({ route }) => route === 'remote');
    // The row shows the request as it was sent.
    const reply = delegated && (await Promise.all(replies)).find(({ body }) => body === delegated.sent);
    return {
      state: shown.state,
      device: shown.device,
      local: shown.rows.find(({ route, reason }) => route === 'local' && reason === 'confident'),
      delegated: delegated && { ...delegated, model: reply?.model, usage: reply?.usage },
      reasons: shown.rows.map(({ reason }) => reason),
      totals: shown.totals,
      errors: page.errors,
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
      return {
        text: words(row, 'text'),
        sent,
        route,
        reason,
        label,
        confidence: Number(confidence),
        latency_ms: Number(latencyMs),
      };
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

/** The request's body, and the model and the usage that the reply names. */
async function readReply(response) {
  const { model, usage } = await response.json().catch(() => ({}));
  return { body: response.request().postData(), model, usage };
}

/** What is missing from a visit, in words. */
function lacks({ state, device, local, delegated, reasons, totals, errors }, asked) {
  return [
    state !== 'done' && `the page ended in state '${state ?? 'unknown'}', expected 'done'`,
    device?.kind !== asked && `the device was ${device?.kind ?? 'unknown'}: ${device?.words ?? ''}`,
    totals?.messages !== MESSAGES && `${totals?.messages ?? 0} messages were answered, expected ${MESSAGES}`,
    !local && `no message was answered here, but: ${reasons}`,
    !delegated && `no message was delegated, but: ${reasons}`,
    delegated && !(delegated.usage?.total_tokens > 0) && 'the delegated answer has no token usage',
    ...errors.map((error) => `an error in the page: ${error}`),
  ].filter(Boolean);
}
