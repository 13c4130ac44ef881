// The JavaScript blocks of the README, each run as the script of a page by itself.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { blocksOf, pageOf, visit } from './documents.mjs';
import { LIMIT, openBrowser } from './package-page.mjs';

/** The documents, each with the number of blocks that it has at least. */
const DOCUMENTS = { 'README.md': 1, 'js/README.md': 10, 'docs/calibration.md': 2, 'docs/learning.md': 1 };

let opened;
before(async () => {
  opened = await openBrowser({ webgpu: 'none' });
});
after(() => opened?.close());

for (const [path, count] of Object.entries(DOCUMENTS)) {
  const blocks = blocksOf(path);
  describe(path, LIMIT, () => {
    test('has its blocks', () =>
      assert.ok(blocks.length >= count, `expected at least ${count} blocks, got ${blocks.length}`));
    for (const { code, line } of blocks) {
      test(`the block at line ${line} runs`, async () => {
        await visit(opened, '/readme.html', () => globalThis.finished, { html: pageOf(code), ...LIMIT });
      });
    }
  });
}
