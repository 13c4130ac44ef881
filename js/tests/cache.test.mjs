// The browser's cache where it does not answer: it is given up, and nothing waits for it any more.
import assert from 'node:assert/strict';
import { test } from 'node:test';

const URL_OF = 'https://page.example/m/w';
const never = () => new Promise(() => undefined);
const response = () => new Response('one', { headers: { 'content-length': '3' } });

const STEPS = {
  open: ({ openCache }) => openCache(),
  match: ({ lookUp }) => lookUp({ match: never }, URL_OF),
  'match an absence': ({ isKnownAbsent }) => isKnownAbsent({ match: never }, URL_OF),
  put: ({ store }) => store({ put: never }, URL_OF, new Uint8Array(3), new Headers()),
  'put an absence': ({ storeAbsence }) => storeAbsence({ put: never }, URL_OF),
  delete: ({ remove }) => remove({ delete: never }, URL_OF),
  read: ({ contentOf }) => contentOf(Object.assign(response(), { blob: never })),
};

for (const [name, step] of Object.entries(STEPS)) {
  test(`${name}: without an answer the cache is given up`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    Object.defineProperty(globalThis, 'caches', {
      value: { open: name === 'open' ? never : async () => ({}) },
      configurable: true,
    });
    // A module of its own for each, since a cache is given up for good.
    const cache = await import(`../modules/io/cache.js?${encodeURIComponent(name)}`);
    if (name !== 'open') assert.notEqual(await cache.openCache(), undefined);
    const running = step(cache);
    await new Promise(setImmediate);
    t.mock.timers.tick(60_000);
    assert.ok(!(await running));
    assert.equal(await cache.openCache(), undefined);
  });
}

test('a step of a large file gets the time that it needs', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  Object.defineProperty(globalThis, 'caches', { value: { open: async () => ({}) }, configurable: true });
  const cache = await import('../modules/io/cache.js?large');
  const storing = cache.store({ put: never }, URL_OF, new Uint8Array(100_000_000), new Headers());
  await new Promise(setImmediate);
  t.mock.timers.tick(20_000);
  assert.notEqual(await cache.openCache(), undefined);
  t.mock.timers.tick(20_000);
  await storing;
  assert.equal(await cache.openCache(), undefined);
});
