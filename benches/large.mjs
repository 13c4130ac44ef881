// Benchmark driver: the memory of WebAssembly that a model of Llama 2 7B's shape in 4 bits takes on WebGPU, where its weights go to
// the GPU as they arrive.
//
//     node large.mjs ADDRESS FOLDER
//
// ADDRESS is the development server's; FOLDER is what it serves as /bench/files, and gets files of 0.4 and 3.8 GB. Rows go to stdout
// as one JSON array, progress to stderr. `reply_ms` is the time of a reply of two tokens, of the smaller model alone: an adapter in
// software takes minutes for one of the larger.
import { join } from 'node:path';
import { chromium } from 'playwright-core';

import { commandLine, launchOptions, rounded } from './driver.mjs';
import { writeLlama } from './llama-shape.mjs';

const [address, folder] = commandLine('node large.mjs ADDRESS FOLDER', 2);
const MODELS = [
  { layers: 2, replies: true },
  { layers: 32, replies: false },
];

const rows = [];
for (const { layers, replies } of MODELS) {
  const file = `llama-2-7b-shape/${layers}-layers.gguf`;
  writeLlama(join(folder, file), layers);
  const browser = await chromium.launch(launchOptions('software'));
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    // Any document of the server.
    await page.goto(new URL('demo.json', address).href);
    const found = await page.evaluate(measured, [`/bench/files/${file}`, replies]);
    const row = { name: `large/${layers}-layers` };
    for (const [key, number] of Object.entries(found)) row[key] = typeof number === 'number' ? rounded(number) : number;
    console.error(JSON.stringify(row));
    rows.push(row);
  } finally {
    await browser.close();
  }
}
console.log(JSON.stringify(rows));

/** Runs in the page. */
async function measured([file, replies]) {
  const pilot = await import('/pilot-light/index.js');
  Object.assign(pilot.env, { useBrowserCache: false });
  const start = performance.now();
  // In the page, where the memory can be seen.
  const generate = await pilot.pipeline('text-generation', file, { device: 'webgpu', worker: false });
  const load_ms = performance.now() - start;
  const { instance } = await import(`/pilot-light/wasm/${generate.device.build}/pilot_light.js`);
  const megabytes = () => instance()[1].buffer.byteLength / 1e6;
  const { headers } = await fetch(file, { method: 'HEAD' });
  const row = { file_mb: Number(headers.get('content-length')) / 1e6, wasm_mb: megabytes(), load_ms };
  row.adapter = generate.device.adapter;
  if (!replies) return row;
  const begun = performance.now();
  const [{ usage }] = await generate('light', { max_new_tokens: 2, prompt_lookup: false });
  row.reply_ms = performance.now() - begun;
  row.tokens = usage.completion_tokens;
  row.wasm_mb = megabytes();
  return row;
}
