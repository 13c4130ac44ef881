// The npm tarball as users install it: in the bundlers that people use, as plain files with an import map, and in pages and
// places that restrict scripts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { cp, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { chromium } from 'playwright-core';

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
/** The line for a bundler that leaves the workers out: their files are copied, and their place is named. */
const WITH_WORKER = `
import { env } from 'pilot-light';
env.workerUrl = '/pilot-light/worker.js';
${MAIN}`;
/** What a program in TypeScript does with the package. */
const TYPED = `
import { cascade, env, model, pipeline, PilotLightError, tensor, type Envelope } from 'pilot-light';
import { pipeline as inPlace } from 'pilot-light/service-worker';

const embed = await pipeline('feature-extraction', '/m');
const { dims, data } = await embed(['a'], { pooling: 'mean' });
const count: number = (dims[0] ?? 0) * data.length;
const hear = await inPlace('voice-activity-detection', '/m');
await hear([new Float32Array(count), new Blob()]);
const { run } = await model('/m.onnx');
const { y } = await run({ x: tensor('int64', [1n], [1]) });
env.workerUrl = new URL('/worker.js', 'https://page.example');
const ask = await cascade({ local: { task: 'text-classification', model: '/m' } });
const answer: Envelope = await ask('a').catch((error: unknown) => {
  throw error instanceof PilotLightError && error.index === 0 ? error.kind : y;
});
export { answer };
`;
/** The releases of Vite, with what their development servers need. */
const VITES = {
  'vite-5': { optimizeDeps: { exclude: ['pilot-light'] } },
  'vite-6': { optimizeDeps: { exclude: ['pilot-light'] } },
  'vite-7': { optimizeDeps: { exclude: ['pilot-light'] } },
  vite: {},
};
const PAGE = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">';
const IMPORT_MAP = '<script type="importmap">{ "imports": { "pilot-light": "/pilot-light/index.js" } }</script>';

describe('the tarball', LIMIT, () => {
  let folder;
  let browser;
  let files;
  const vectors = {};
  /** Where the files of the package are, installed. */
  const dist = () => join(folder, 'node_modules', 'pilot-light', 'dist');

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
      'dist/service-worker.js',
      'dist/service-worker.d.ts',
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

  for (const [name, developing] of Object.entries(VITES)) {
    const settings = () => ({ root: folder, configFile: false, logLevel: 'warn', cacheDir: join(folder, `.${name}`) });

    test(`it works bundled by ${name}, without a setting`, async () => {
      const vite = await import(name);
      await vite.build({ ...settings(), build: { outDir: `built-${name}`, emptyOutDir: true } });
      const server = await vite.preview({
        ...settings(),
        build: { outDir: `built-${name}` },
        preview: { host: '127.0.0.1', port: 0 },
      });
      try {
        vectors[`${name} built`] = await visit(`http://127.0.0.1:${server.httpServer.address().port}/`);
      } finally {
        await server.close();
      }
    });

    test(`it works with the development server of ${name}`, async () => {
      const vite = await import(name);
      const server = await vite.createServer({ ...settings(), ...developing, server: { host: '127.0.0.1', port: 0 } });
      try {
        await server.listen();
        vectors[`${name} developed`] = await visit(`http://127.0.0.1:${server.httpServer.address().port}/`);
      } finally {
        await server.close();
      }
    });
  }

  /** Bundlers that bundle one file: each from `source` into `target`. */
  const BUNDLERS = {
    async rollup(source, target) {
      const [{ rollup }, { nodeResolve }] = await Promise.all([
        import('rollup'),
        import('@rollup/plugin-node-resolve'),
      ]);
      const bundle = await rollup({ input: source, plugins: [nodeResolve({ browser: true })] });
      await bundle.write({ dir: target, entryFileNames: 'main.js', format: 'es' });
      await bundle.close();
    },
    async esbuild(source, target) {
      const { build } = await import('esbuild');
      await build({
        entryPoints: [source],
        bundle: true,
        format: 'esm',
        outfile: join(target, 'main.js'),
        logLevel: 'error',
      });
    },
    async bun(source, target) {
      await promisify(execFile)(await findBun(), ['build', source, '--outdir', target, '--entry-naming', 'main.[ext]']);
    },
  };
  for (const [name, bundle] of Object.entries(BUNDLERS)) {
    test(`it works bundled by ${name}, with env.workerUrl`, async () => {
      const source = join(folder, `source-${name}.js`);
      await writeFile(source, WITH_WORKER);
      const target = join(folder, `built-${name}`);
      await bundle(source, target);
      await writeFile(join(target, 'index.html'), `${PAGE}<script type="module" src="/main.js"></script>`);
      const server = await serve({
        '/pilot-light/': dist(),
        '/models/': join(folder, 'public', 'models'),
        '/': target,
      });
      vectors[name] = await visit(`${server.url}/index.html`).finally(server.stop);
    });
  }

  test('each file of dist/ can be imported and resolved', async () => {
    const script = `
      const found = ['worker.js', 'wasm/cpu/pilot_light_bg.wasm'].map((name) => import.meta.resolve('pilot-light/dist/' + name));
      process.stdout.write(JSON.stringify(found));`;
    await writeFile(join(folder, 'resolve.mjs'), script);
    const { stdout } = await promisify(execFile)(process.execPath, ['resolve.mjs'], { cwd: folder });
    for (const address of JSON.parse(stdout)) assert.ok((await stat(fileURLToPath(address))).isFile(), address);
  });

  for (const [name, compiler] of Object.entries({
    'TypeScript 5.4': new URL('./node_modules/typescript-5/bin/tsc', import.meta.url),
    'the current TypeScript': new URL('../../js/node_modules/typescript/bin/tsc', import.meta.url),
  })) {
    for (const lib of ['ES2022,DOM', 'ES2022,WebWorker']) {
      test(`its types are those of ${name} with ${lib}, without skipLibCheck`, async () => {
        await writeFile(join(folder, 'typed.ts'), TYPED);
        const options = '--noEmit --strict --module esnext --moduleResolution bundler --target es2022'.split(' ');
        const args = [fileURLToPath(compiler), ...options, '--lib', lib, 'typed.ts'];
        const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder }).catch((error) => error);
        assert.equal(stdout, '');
      });
    }
  }

  test('it works as plain files with an import map', async () => {
    await writeFile(join(folder, 'plain.html'), `${PAGE}${IMPORT_MAP}<script type="module" src="/main.js"></script>`);
    const server = await serve(plain());
    vectors.plain = await visit(`${server.url}/plain.html`).finally(server.stop);
  });

  /** The folders of the plain page. */
  const plain = () => ({ '/pilot-light/': dist(), '/models/': join(folder, 'public', 'models'), '/': folder });

  test('it works under a strict Content-Security-Policy with Trusted Types', async () => {
    const policy = [
      "default-src 'self'",
      "script-src 'self' 'nonce-map' 'wasm-unsafe-eval'",
      'img-src data:',
      "require-trusted-types-for 'script'",
      'trusted-types pilot-light',
    ].join('; ');
    await writeFile(
      join(folder, 'strict.html'),
      `${PAGE}${IMPORT_MAP.replace('<script', '<script nonce="map"')}<script type="module" src="/main.js"></script>`,
    );
    const server = await serve(plain(), { 'content-security-policy': policy });
    vectors.strict = await visit(`${server.url}/strict.html`).finally(server.stop);
  });

  test('it works with its scripts on another origin', async () => {
    const other = await serve({ '/': dist() }, { 'access-control-allow-origin': '*' });
    const map = IMPORT_MAP.replace('/pilot-light/index.js', `${other.url}/index.js`);
    await writeFile(join(folder, 'other.html'), `${PAGE}${map}<script type="module" src="/main.js"></script>`);
    const server = await serve(plain());
    try {
      vectors.other = await visit(`${server.url}/other.html`, { origins: [other.url] });
    } finally {
      server.stop();
      other.stop();
    }
  });

  test('it works in a sandboxed frame', async () => {
    await writeFile(join(folder, 'frame.html'), `${PAGE}<iframe sandbox="allow-scripts" src="/plain.html"></iframe>`);
    const server = await serve(plain(), { 'access-control-allow-origin': '*' });
    vectors.sandboxed = await visit(`${server.url}/frame.html`, { frameOf: (page) => page.frames().at(-1) }).finally(
      server.stop,
    );
  });

  test('it works in an extension: in its service worker and in its pages', async () => {
    const extension = join(folder, 'extension');
    await cp(dist(), join(extension, 'pilot-light'), { recursive: true });
    await cp(MODEL, join(extension, 'models', 'tiny'), { recursive: true });
    const csp = { extension_pages: "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'" };
    const manifest = {
      manifest_version: 3,
      name: 'test',
      version: '1',
      background: { service_worker: 'background.js', type: 'module' },
      content_security_policy: csp,
    };
    const script = (entry) =>
      MAIN.replace("'pilot-light'", `'./pilot-light/${entry}.js'`).replace(
        "'/models/tiny'",
        "chrome.runtime.getURL('models/tiny')",
      );
    await writeFile(join(extension, 'manifest.json'), JSON.stringify(manifest));
    await writeFile(join(extension, 'background.js'), script('service-worker'));
    await writeFile(join(extension, 'page.js'), script('index'));
    await writeFile(join(extension, 'page.html'), `${PAGE}<script type="module" src="page.js"></script>`);
    const { args, ...options } = launchOptions('none');
    const context = await chromium.launchPersistentContext(join(folder, 'profile'), {
      ...options,
      args: [...args, `--disable-extensions-except=${extension}`, `--load-extension=${extension}`],
      ignoreDefaultArgs: [...options.ignoreDefaultArgs, '--disable-extensions'],
    });
    try {
      const [background = await context.waitForEvent('serviceworker')] = context.serviceWorkers();
      vectors.background = check(await background.evaluate(() => globalThis.embedding));
      const page = await context.newPage();
      await page.goto(new URL('page.html', background.url()).href);
      await page.waitForFunction(() => globalThis.embedding);
      vectors.extension = check(await page.evaluate(() => globalThis.embedding));
    } finally {
      await context.close();
    }
  });

  test('it works in a shared worker, which can start no worker in some browsers', async () => {
    const script = MAIN.replace("'pilot-light'", "'/pilot-light/index.js'");
    await writeFile(
      join(folder, 'shared.js'),
      `${script}
      globalThis.onconnect = ({ ports: [port] }) => globalThis.embedding.then(
        (found) => port.postMessage(found), (error) => port.postMessage(String(error)));`,
    );
    const page = `globalThis.embedding = new Promise((resolve) => {
      const { port } = new SharedWorker('/shared.js', { type: 'module' });
      port.onmessage = ({ data }) => resolve(data);
    });`;
    await writeFile(join(folder, 'shared-page.js'), page);
    await writeFile(join(folder, 'shared.html'), `${PAGE}<script type="module" src="/shared-page.js"></script>`);
    const server = await serve(plain());
    vectors.shared = await visit(`${server.url}/shared.html`, { counted: false }).finally(server.stop);
  });

  test('all of them give the same results', () => {
    const { plain, ...others } = vectors;
    assert.equal(Object.keys(others).length, 2 * Object.keys(VITES).length + Object.keys(BUNDLERS).length + 6);
    for (const [name, vector] of Object.entries(others)) assert.deepEqual(vector, plain, name);
  });

  /** The embedding of `MAIN`, checked. */
  function check({ dims, data, device }) {
    const { last_hidden_state, last_hidden_state_shape } = goldenJson('tiny-bert-seq/golden.json');
    assert.deepEqual(dims, [1, ...last_hidden_state_shape]);
    assert.ok(cosine(data, last_hidden_state) >= 0.9999);
    assert.deepEqual([device.kind, device.requested], ['wasm', 'auto']);
    return data;
  }

  /**
   * Opens a page with `MAIN` in it, or in a frame of it; checks its embedding and returns it. It asks its own origin and
   * `origins` alone; what a shared worker asks for is not `counted`.
   */
  async function visit(url, { origins = [], frameOf = (page) => page, counted = true } = {}) {
    const page = await browser.newPage();
    page.setDefaultTimeout(LIMIT.timeout);
    const requested = [];
    const errors = [];
    page.on('request', (request) => requested.push(request.url()));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    page.on('pageerror', (error) => errors.push(String(error)));
    try {
      await page.goto(url);
      const frame = frameOf(page);
      await frame.waitForFunction(() => globalThis.embedding);
      const data = check(await frame.evaluate(() => globalThis.embedding));
      // Counted, since Vite renames the files.
      const weighty = requested.filter((address) => address.endsWith('.wasm'));
      if (counted) assert.equal(weighty.length, 1, `only the CPU artefact is downloaded: ${weighty}`);
      const known = [new URL(url).origin, ...origins];
      assert.deepEqual(
        requested.filter((address) => !known.includes(new URL(address).origin) && !address.startsWith('data:')),
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

/** The program of Bun's package, whose own script would put it in its place. */
async function findBun() {
  const scope = fileURLToPath(new URL('./node_modules/@oven/', import.meta.url));
  const names = await readdir(scope);
  for (const name of names) {
    const program = join(scope, name, 'bin', 'bun');
    const runs = await promisify(execFile)(program, ['--version']).catch(() => undefined);
    if (runs !== undefined) return program;
  }
  throw new Error(`no program of Bun runs here, of ${names.join(', ')}`);
}

/** A minimal server: files of folders, by the first prefix that matches, with these headers. */
async function serve(folders, headers = {}) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const [prefix, folder] = Object.entries(folders).find(([prefix]) => pathname.startsWith(prefix));
    const path = join(folder, decodeURIComponent(pathname.slice(prefix.length)));
    if (!(await stat(path).catch(() => undefined))?.isFile()) return response.writeHead(404, headers).end('not there');
    response.writeHead(200, { ...headers, 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' });
    return createReadStream(path).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
