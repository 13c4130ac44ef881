// Benchmark driver: the encoder on WebGPU compared with onnxruntime-web's, in one browser and one run.
//
//     node gpu.mjs ADDRESS [--hardware]
//
// ADDRESS is the development server's. Rows go to stdout as one JSON array, progress to stderr.
// Without --hardware the adapter is SwiftShader, which computes on the CPU: it compares the programs and says nothing about a GPU.
import { chromium } from 'playwright-core';

import { commandLine, launchOptions, openPage } from './driver.mjs';
import { coldRows, count, FIRST, machineRow, NAMES, plan, RUN, warmRows } from './gpu-rows.mjs';

const [address, ...options] = commandLine('node gpu.mjs ADDRESS [--hardware]');
const hardware = options.includes('--hardware');
const { shapes, loads } = plan(hardware);

const rows = [];
const add = (row) => {
  console.error(JSON.stringify(row));
  rows.push(row);
};
const browser = await chromium.launch(launchOptions(hardware ? 'hardware' : 'software'));
try {
  const machine = await inPage((page) => machineRow(page, add));
  await coldLoads();
  await inPage(async (page) => {
    await page.evaluate(([run, names]) => bench.open(run, names), [RUN, NAMES]);
    await warmRows(page, shapes, machine, add);
  });
} finally {
  await browser.close();
}
console.log(JSON.stringify(rows));

/** What `work` does in a page of an empty browser profile. */
async function inPage(work) {
  const context = await browser.newContext();
  await context.addInitScript(count);
  const page = await openPage(context, address, '/bench/encoder.html');
  await page.evaluate(() => import('/bench/gpu.js'));
  const result = await work(page);
  await context.close();
  return result;
}

/** Loads each program in turn. */
async function coldLoads() {
  const found = { ours: [], theirs: [] };
  for (let i = 0; i < loads; i += 1) {
    for (const name of NAMES) {
      const load = (page) => page.evaluate((given) => bench.loaded(...given), [name, RUN, FIRST]);
      found[name].push(await inPage(load));
    }
  }
  coldRows(found, add);
}
