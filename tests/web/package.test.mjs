// The npm tarball as users install it: in an empty Vite project, and as plain files with an import map.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { cp, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { chromium } from 'playwright-core';
import * as vite from 'vite';

import { launchOptions } from './browser.mjs';
import { cosine, goldenJson } from './golden.mjs';
import { LIMIT } from './package-page.mjs';

const PACKAGE = fileURLToPath(new URL('../../js/', import.meta.url));
/** A model of a few kilobytes; the test is about how it gets into the page. */
const MODEL = fileURLToPath(new URL('../golden/tiny-bert-seq/', import.meta.url));
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** The script of the pages, as a user of the package would write it. */
const MAIN = `
import { pipeline } from 'pilot-light';

globalThis.embedding = (async () => {
  const embed = await pipeline('feature-extraction', '/models/tiny');
  const { dims, data } = await embed('The rain began.', { pooling: 'none' });
  return { dims, data: Array.from(data), device: embed.device };
})();
globalThis.embedding.catch(() => undefined);
`;
const PAGE = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">';
const IMPORT_MAP = '<script type="importmap">{ "imports": { "pilot-light": "/pilot-light/index.js" } }</script>';

describe('the tarball', LIMIT, () => {
  let folder;
  let browser;
  let files;
  const vectors = {};

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pilot-light-package-'));
    await cp(MODEL, join(folder, 'public', 'models', 'tiny'), { recursive: true });
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
    await writeFile(join(folder, 'main.js'), MAIN);
    await writeFile(join(folder, 'index.html'), `${PAGE}<script type="module" src="/main.js"></script>`);
    const [packed] = JSON.parse(
      await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], PACKAGE),
    );
    files = packed.files.map(({ path }) => path);
    // Offline: the package has no dependencies.
    await npm(
      ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', join(folder, packed.filename)],
      folder,
    );
    browser = await chromium.launch(launchOptions('none'));
  });
  after(async () => {
    await browser?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  test('it has the files that it needs and no others', () => {
    const needed = [
      'package.json',
      'README.md',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/worker.js',
      'dist/compute-worker.js',
      'dist/sha256-worker.js',
      ...['cpu', 'cpu-relaxed', 'cpu-threads', 'gpu'].flatMap((name) => [
        `dist/wasm/${name}/pilot_light.js`,
        `dist/wasm/${name}/pilot_light_bg.wasm`,
      ]),
    ];
    assert.deepEqual(
      needed.filter((path) => !files.includes(path)),
      [],
    );
    assert.deepEqual(
      files.filter((path) => !/^(dist\/|package\.json$|README\.md$|LICENSE)/.test(path)),
      [],
    );
  });

  test('it works bundled by Vite', async () => {
    await vite.build({ root: folder, configFile: false, logLevel: 'warn' });
    const server = await vite.preview({
      root: folder,
      configFile: false,
      logLevel: 'warn',
      preview: { host: '127.0.0.1', port: 0 },
    });
    try {
      vectors.built = await visit(`http://127.0.0.1:${server.httpServer.address().port}/`);
    } finally {
      await server.close();
    }
  });

  test("it works with Vite's development server", async () => {
    const server = await vite.createServer({
      root: folder,
      configFile: false,
      logLevel: 'warn',
      server: { host: '127.0.0.1', port: 0 },
    });
    try {
      await server.listen();
      vectors.developed = await visit(`http://127.0.0.1:${server.httpServer.address().port}/`);
    } finally {
      await server.close();
    }
  });

  test('it works as plain files with an import map', async () => {
    await writeFile(join(folder, 'plain.html'), `${PAGE}${IMPORT_MAP}<script type="module" src="/main.js"></script>`);
    const server = await serve({
      '/pilot-light/': join(folder, 'node_modules', 'pilot-light', 'dist'),
      '/models/': join(folder, 'public', 'models'),
      '/': folder,
    });
    try {
      vectors.plain = await visit(`http://127.0.0.1:${server.address().port}/plain.html`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('all of them give the same results', () => {
    assert.deepEqual(Object.keys(vectors), ['built', 'developed', 'plain']);
    assert.deepEqual(vectors.developed, vectors.built);
    assert.deepEqual(vectors.plain, vectors.built);
  });

  /** Opens a page with `MAIN` in it; checks its embedding and returns it. */
  async function visit(url) {
    const page = await browser.newPage();
    page.setDefaultTimeout(LIMIT.timeout);
    const requested = [];
    const errors = [];
    page.on('request', (request) => requested.push(request.url()));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    page.on('pageerror', (error) => errors.push(String(error)));
    try {
      await page.goto(url);
      await page.waitForFunction(() => globalThis.embedding);
      const { dims, data, device } = await page.evaluate(() => globalThis.embedding);
      const { last_hidden_state, last_hidden_state_shape } = goldenJson('tiny-bert-seq/golden.json');
      assert.deepEqual(dims, [1, ...last_hidden_state_shape]);
      assert.ok(cosine(data, last_hidden_state) >= 0.9999);
      assert.deepEqual([device.kind, device.requested], ['wasm', 'auto']);
      // Counted, since Vite renames the files.
      const weighty = requested.filter((address) => address.endsWith('.wasm'));
      assert.equal(weighty.length, 1, `only the CPU artefact is downloaded: ${weighty}`);
      assert.deepEqual(
        requested.filter((address) => new URL(address).origin !== new URL(url).origin && !address.startsWith('data:')),
        [],
      );
      // Optional files of a model may be missing.
      assert.deepEqual(
        errors.filter((message) => !/404/.test(message)),
        [],
      );
      return data;
    } finally {
      await page.close();
    }
  }
});

async function npm(args, cwd) {
  const { stdout } = await promisify(execFile)('npm', args, { cwd });
  return stdout;
}

/** A minimal server: files of folders, by the first prefix that matches. */
async function serve(folders) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const [prefix, folder] = Object.entries(folders).find(([prefix]) => pathname.startsWith(prefix));
    const path = join(folder, decodeURIComponent(pathname.slice(prefix.length)));
    if (!(await stat(path).catch(() => undefined))?.isFile()) return response.writeHead(404).end('not there');
    response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' });
    return createReadStream(path).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
