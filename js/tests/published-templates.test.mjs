// Chat templates as people use them, which `cargo xtask models` fetches, in the page's engine against transformers.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CONVERSATIONS, golden, rendered } from './templates.mjs';

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'pilot-light');

/** FNV-1a with 64 bits, in two halves. */
function fnv1a(text) {
  let [high, low] = [0xcbf29ce4, 0x84222325];
  for (const byte of new TextEncoder().encode(text)) {
    low = (low ^ byte) >>> 0;
    // Times 2 ** 40 + 0x1b3.
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  return [high, low].map((half) => half.toString(16).padStart(8, '0')).join('');
}

function digest({ text, raised }) {
  if (text !== undefined) return fnv1a(text);
  return raised === undefined ? 'fails' : `raised ${fnv1a(raised)}`;
}

test('published templates are equal to transformers', () => {
  const files = Object.entries(JSON.parse(golden('published.json'))).filter(([file]) => file.endsWith('.jinja'));
  assert.ok(files.length >= 105);
  const wrong = [];
  for (const [file, digests] of files) {
    const path = join(CACHE, file);
    assert.ok(existsSync(path), `${path} is missing: run \`cargo xtask test js\``);
    const template = readFileSync(path, 'utf8');
    assert.equal(digests.length, CONVERSATIONS.length);
    for (const [index, conversation] of CONVERSATIONS.entries()) {
      const got = rendered(template, conversation);
      if (digest(got) !== digests[index]) wrong.push({ file, conversation: conversation.name, got });
    }
  }
  assert.deepEqual(wrong, []);
});
