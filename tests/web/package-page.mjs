// A page of the server's with the package in it and nothing else, for tests of the package.
import { chromium } from 'playwright-core';

import { launchOptions } from './browser.mjs';
import { routeGolden, routeGraphs } from './golden.mjs';
import { startServer } from './server.mjs';

export const MINILM = '/models/all-MiniLM-L6-v2';
/** The same, converted to 8 bits. */
export const MINILM_INT8 = '/bench/files/all-MiniLM-L6-v2-int8';

/** Generous: WebGPU in software takes seconds for a sentence. A test that hangs must end nevertheless. */
export const LIMIT = { timeout: 10 * 60_000 };

/**
 * A browser, a server and a way to open pages, all ended by `close`.
 *
 * @param {{ webgpu: 'software' | 'none', remote?: object }} options
 */
export async function openBrowser({ webgpu, remote }) {
  // The browser first: the one of the two that a machine may lack.
  const browser = await chromium.launch(launchOptions(webgpu));
  const server = await startServer({ remote }).catch(async (error) => {
    await browser.close();
    throw error;
  });
  return {
    server,
    browser,
    /**
     * A fresh page; in it are `pilot`, the package, and the functions of `inPage`. What fits `missing` is not
     * served; a page that is not `isolated` may not share memory.
     */
    async page({ device = 'wasm', worker = true, broken, graphs, missing, isolated = true } = {}) {
      const context = await browser.newContext();
      await routeGolden(context, broken);
      await routeGraphs(context, graphs);
      if (missing) await context.route(missing, (route) => route.fulfill({ status: 404, body: 'not there' }));
      if (!isolated) await context.route('**/demo.json', (route) => route.fulfill({ json: {} }));
      const page = await context.newPage();
      page.requested = [];
      context.on('request', (request) => page.requested.push(new URL(request.url()).pathname));
      // Any document of the server's will do: it has the headers that the package meets in a page.
      await page.goto(`${server.url}/demo.json`);
      await page.evaluate(inPage, { device, worker });
      return page;
    },
    async close() {
      await browser.close();
      await server.stop();
    },
  };
}

/** Runs in the page. */
async function inPage(defaults) {
  const pilot = await import('/pilot-light/index.js');
  const loaded = new Map();
  Object.assign(globalThis, {
    pilot,
    /** The package's `pipeline` on this page's device and interface. */
    pipeline: (task, model, options) => pilot.pipeline(task, model, { ...defaults, ...options }),
    /** The package's `model`, likewise. */
    model: (file, options) => pilot.model(file, { ...defaults, ...options }),
    /** The same pipeline, loaded once for all tests of the page. */
    shared(task, model) {
      const key = `${task} ${model}`;
      if (!loaded.has(key)) loaded.set(key, globalThis.pipeline(task, model));
      return loaded.get(key);
    },
    cascade({ local, ...options }) {
      const models = [local].flat().map((one) => ({ ...defaults, ...one }));
      return pilot.cascade({ local: Array.isArray(local) ? models : models[0], ...options });
    },
    /** What became of `promise`, in a form that can leave the page. */
    async outcome(promise) {
      try {
        return { value: await promise };
      } catch (error) {
        const { name, kind, message, retryable } = error;
        return { error: { name, kind, message, retryable, ours: error instanceof pilot.PilotLightError } };
      }
    },
    /** A tensor in a form that can leave the page. */
    rows({ dims, data }) {
      const width = dims.at(-1);
      return Array.from({ length: data.length / width }, (_, i) => Array.from(data.subarray(i * width, (i + 1) * width)));
    },
  });
}
