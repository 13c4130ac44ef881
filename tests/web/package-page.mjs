// A page of the development server with nothing in it but the package, for tests of the package.
import { chromium } from 'playwright-core';

import { launchOptions, pretendHardware } from './browser.mjs';
import { routeGolden, routeGraphs } from './golden.mjs';
import { startServer } from './server.mjs';

export const MINILM = '/models/all-MiniLM-L6-v2';
/** The same, converted to 8 bits. */
export const MINILM_INT8 = '/bench/files/all-MiniLM-L6-v2-int8';
export const SMOLLM2 = '/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf';

/** The time limit of a test and of each wait in it. It only ends a test that hangs: WebGPU in software takes seconds for a sentence. */
export const LIMIT = { timeout: 20 * 60_000 };

/**
 * A browser, a server and a function that opens pages; `close` ends them all.
 *
 * @param {{ webgpu: 'software' | 'none', remote?: object }} options
 */
export async function openBrowser({ webgpu, remote }) {
  // The browser first: it is what a machine may lack.
  const browser = await chromium.launch(launchOptions(webgpu));
  const server = await startServer({ remote }).catch(async (error) => {
    await browser.close();
    throw error;
  });
  return {
    server,
    browser,
    /**
     * A new page in a context of its own; in it are `pilot`, the package, and the functions of `inPage`. What matches `missing`
     * is answered with 404; a page that is not `isolated` may not share memory; with `hardware` WebGPU in software is said to be
     * hardware, which `'fast'` and `'slow'` say how the worker finds it.
     */
    async page({ device = 'wasm', worker = true, broken, graphs, missing, isolated = true, hardware = false } = {}) {
      const context = await browser.newContext();
      context.setDefaultTimeout(LIMIT.timeout);
      await routeGolden(context, broken);
      await routeGraphs(context, graphs);
      if (missing) await context.route(missing, (route) => route.fulfill({ status: 404, body: 'not there' }));
      if (hardware) await pretendHardware(context, hardware);
      if (!isolated) await context.route('**/demo.json', (route) => route.fulfill({ json: {} }));
      const page = await context.newPage();
      page.requested = [];
      context.on('request', (request) => page.requested.push(new URL(request.url()).pathname));
      page.defaults = { device, worker };
      // Any document of the server: it has the headers of the demo page.
      await page.goto(`${server.url}/demo.json`);
      await prepare(page);
      return page;
    },
    /** Another tab of the profile of `page`, with the same defaults. */
    async tab(page) {
      const tab = await page.context().newPage();
      tab.defaults = page.defaults;
      await tab.goto(page.url());
      await prepare(tab);
      return tab;
    },
    /** Loads `page` again. */
    async reload(page) {
      await page.reload();
      await prepare(page);
    },
    async close() {
      await browser.close();
      await server.stop();
    },
  };
}

const prepare = (page) => page.evaluate(inPage, page.defaults);

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
    /** A pipeline that is loaded once for all tests of the page. */
    shared(task, model) {
      const key = `${task} ${model}`;
      if (!loaded.has(key)) loaded.set(key, globalThis.pipeline(task, model));
      return loaded.get(key);
    },
    /** The package's `cascade`, likewise; no question runs into a deadline that its test did not set, however slow the machine is. */
    cascade({ local, policy, ...options }) {
      const models = [local].flat().map((one) => ({ ...defaults, ...one }));
      return pilot.cascade({
        local: Array.isArray(local) ? models : models[0],
        ...options,
        policy: { deadline_ms: 3_600_000, ...policy },
      });
    },
    /** The result of `promise` as `{ value }` or `{ error }`, in a form that can leave the page. */
    async outcome(promise) {
      try {
        return { value: await promise };
      } catch (error) {
        const { name, kind, message, retryable } = error;
        return { error: { name, kind, message, retryable, ours: error instanceof pilot.PilotLightError } };
      }
    },
    /** A tensor's rows, in a form that can leave the page. */
    rows({ dims, data }) {
      const width = dims.at(-1);
      return Array.from({ length: data.length / width }, (_, i) =>
        Array.from(data.subarray(i * width, (i + 1) * width)),
      );
    },
  });
}
