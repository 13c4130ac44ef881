// The ways in which a worker is started where its address alone is refused.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

const ADDRESS = 'https://cdn.example/worker.js';
/** As a bundler leaves it: the address is in this expression, and nowhere else. */
const start = () => new Worker(new URL(ADDRESS), { type: 'module' });
/** A module of its own for each test, since a policy is made once. */
let copies = 0;
const starter = async () => (await import(`../modules/shared/start-worker.js?${++copies}`)).startWorker;
const refuse = (name, message = 'no') => {
  throw Object.assign(new Error(message), { name });
};

afterEach(() => {
  delete globalThis.Worker;
  delete globalThis.trustedTypes;
  delete globalThis.origin;
});

test('by its address', async () => {
  const made = [];
  globalThis.Worker = class {
    constructor(...given) {
      made.push(given);
    }
  };
  const worker = (await starter())(start);
  assert.ok(worker instanceof globalThis.Worker);
  assert.deepEqual([made.length, String(made[0][0]), made[0][1]], [1, ADDRESS, { type: 'module' }]);
});

test('by a trusted address, under Trusted Types', async () => {
  const policies = [];
  globalThis.trustedTypes = {
    createPolicy: (name, rules) => {
      policies.push(name);
      return { createScriptURL: (url) => ({ trusted: rules.createScriptURL(url) }) };
    },
  };
  globalThis.Worker = class {
    constructor(address, options) {
      if (address?.trusted === undefined) refuse('TypeError', "This document requires 'TrustedScriptURL' assignment.");
      Object.assign(this, { address: address.trusted, options });
    }
  };
  const startWorker = await starter();
  for (let i = 0; i < 2; i += 1) {
    const { address, options } = startWorker(start);
    assert.deepEqual([address, options], [ADDRESS, { type: 'module' }]);
  }
  assert.deepEqual(policies, ['pilot-light'], 'the policy is made once');
});

test('a page that does not allow the policy is told its name', async () => {
  globalThis.trustedTypes = { createPolicy: (name) => refuse('TypeError', `Policy "${name}" disallowed.`) };
  globalThis.Worker = class {
    constructor() {
      refuse('TypeError', "This document requires 'TrustedScriptURL' assignment.");
    }
  };
  const startWorker = await starter();
  assert.throws(() => startWorker(start), /"pilot-light" disallowed/);
});

test('by a script that imports it, from another origin or in a sandboxed frame', async () => {
  for (const [type, statement] of [
    ['module', `import "${ADDRESS}";`],
    ['classic', `importScripts("${ADDRESS}");`],
    [undefined, `importScripts("${ADDRESS}");`],
  ]) {
    globalThis.Worker = class {
      constructor(address, options) {
        if (!String(address).startsWith('blob:')) refuse('SecurityError');
        Object.assign(this, { address, options });
      }
    };
    const startWorker = await starter();
    const { address, options } = startWorker(() => new Worker(new URL(ADDRESS), { type }));
    const { resolveObjectURL } = await import('node:buffer');
    assert.equal(await resolveObjectURL(address).text(), statement);
    assert.equal(options.type, type);
  }
});

test('by a data URL in a frame without an origin', async () => {
  globalThis.origin = 'null';
  globalThis.Worker = class {
    constructor(address) {
      if (!String(address).startsWith('data:')) refuse('SecurityError');
      this.address = address;
    }
  };
  const { address } = (await starter())(start);
  assert.equal(address, `data:text/javascript,${encodeURIComponent(`import "${ADDRESS}";`)}`);
});

test('with a default policy, or without enforcement, no policy is needed', async () => {
  globalThis.Worker = class {
    constructor(address) {
      this.address = address;
    }
  };
  const refusing = (name) => refuse('TypeError', `Policy "${name}" disallowed.`);
  for (const trustedTypes of [
    { defaultPolicy: {}, createPolicy: () => assert.fail('a policy was made') },
    { defaultPolicy: null, createPolicy: refusing },
  ]) {
    globalThis.trustedTypes = trustedTypes;
    assert.equal((await starter())(start).address, ADDRESS);
  }
});

test('where every way is refused, the first refusal is thrown, and nothing is changed', async () => {
  const Refusing = class {
    constructor(address) {
      refuse('SecurityError', String(address));
    }
  };
  globalThis.Worker = Refusing;
  const startWorker = await starter();
  assert.throws(() => startWorker(start), { message: ADDRESS });
  assert.equal(globalThis.Worker, Refusing);
  delete globalThis.Worker;
  assert.throws(() => startWorker(start), /Worker is not defined/);
  assert.ok(!('Worker' in globalThis));
});
