// Bundles the entry points into `dist/`: a page or a worker is started with one file each.
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { build } from 'esbuild';

const COMMON = { bundle: true, format: 'esm', target: 'es2022', outdir: 'dist', logLevel: 'warning' };
const WASM = "'pilot_light_bg.wasm'";

/**
 * Takes the glue of the builds into a bundle, with the addresses of their `.wasm` files as they are from there. Older
 * bundlers make a script of a worker that can import nothing later, and a service worker may not.
 */
const glue = {
  name: 'glue',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/wasm\// }, ({ path }) => ({ path: resolve('dist', path) }));
    onLoad({ filter: /pilot_light\.js$/ }, async ({ path }) => {
      // Each is run when it is first imported: the glue of a build that is not made yet throws.
      const contents = await readFile(path, 'utf8');
      return { contents: contents.replaceAll(WASM, `'./wasm/${basename(dirname(path))}/pilot_light_bg.wasm'`) };
    });
  },
};

await build({ ...COMMON, entryPoints: ['modules/index.js'], external: ['./wasm/*'] });
await build({
  ...COMMON,
  entryPoints: ['worker', 'compute-worker', 'sha256-worker', 'service-worker'].map((name) => `modules/${name}.js`),
  plugins: [glue],
});
