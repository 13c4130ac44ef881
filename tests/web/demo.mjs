// The demo page in a browser: opens it, waits for it and checks what every test of it checks.
import assert from 'node:assert/strict';

import { LIMIT } from './package-page.mjs';

/** Longer than any answer takes, in milliseconds: the page's own deadline must not end a test on a slow machine. */
const NO_DEADLINE_MS = 24 * 3_600_000;

/**
 * Opens the demo page of `server` in a context of its own, with `query` as its options.
 *
 * What matches `missing` is answered with 404, and `prepare` gets the page before it is loaded; the other options are the
 * context's. The page's `errors` are the errors that it logged, its `requested` the addresses that it asked for.
 */
export async function openDemo(browser, server, query, { missing, prepare, ...options } = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(LIMIT.timeout);
  if (missing) await context.route(missing, (route) => route.fulfill({ status: 404, body: 'not there' }));
  const page = await context.newPage();
  Object.assign(page, { errors: [], requested: [], server });
  page.on('console', (message) => message.type() === 'error' && page.errors.push(message.text()));
  page.on('pageerror', (error) => page.errors.push(String(error)));
  context.on('request', (request) => page.requested.push(request.url()));
  await prepare?.(page);
  const address = new URL(server.url);
  address.search = new URLSearchParams({ deadline_ms: NO_DEADLINE_MS, ...query });
  await page.goto(address.href);
  return page;
}

/** Waits until the page is done or shows an error. It fails only when nothing on the page has changed for the time of a hang. */
export async function settled(page) {
  for (let shown = ''; ; ) {
    const change = await page.waitForFunction(
      (shown) => {
        const { state, requests } = document.body.dataset;
        const words = ['counter', 'loading-words', 'status'].map((id) => document.getElementById(id).textContent);
        const now = JSON.stringify([state, requests, words]);
        return now !== shown && { now, ended: ['done', 'error'].includes(state) };
      },
      shown,
      LIMIT,
    );
    const { now, ended } = await change.jsonValue();
    if (ended) return;
    shown = now;
  }
}

/** The requests to servers other than the page's own. */
export const foreign = (page) =>
  page.requested.filter((address) => !/^(data|blob):/.test(address) && new URL(address).origin !== page.server.url);

/** The page logged no error and asked no other server. */
export function assertClean(page) {
  assert.deepEqual([page.errors, foreign(page)], [[], []]);
}

/** Every control has a name that a screen reader can announce; gives the number of controls. */
export async function assertControlsNamed(page) {
  const cdp = await page.context().newCDPSession(page);
  const { nodes } = await cdp.send('Accessibility.getFullAXTree');
  const controls = nodes.filter(
    ({ ignored, role, properties }) =>
      !ignored &&
      role.value !== 'RootWebArea' &&
      properties?.some(({ name, value }) => name === 'focusable' && value.value),
  );
  assert.ok(controls.length > 10, `${controls.length} controls`);
  assert.deepEqual(
    controls.filter(({ name }) => !name?.value).map(({ role }) => role.value),
    [],
  );
}
