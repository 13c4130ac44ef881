// Benchmark of WebGPU in Node, over Dawn: the encoder compared with onnxruntime-web's, in one process.
//
//     node dawn.mjs [FILE]
//
// It runs in the folder that `cargo xtask bench gpu --pack FOLDER` writes, on any machine with Node 20 and a driver for Vulkan, Metal or
// Direct3D 12; nothing is fetched. Rows go to FILE or to stdout as one JSON array, progress to stderr.
import { readFile, writeFile } from 'node:fs/promises';

import { create, globals } from 'webgpu';

import { coldRows, count, FIRST, machineRow, NAMES, plan, RUN, warmRows } from './gpu-rows.mjs';

// A first call is to compile its shaders.
Object.assign(process.env, { MESA_SHADER_CACHE_DISABLE: 'true', __GL_SHADER_DISK_CACHE: '0' });
likeAPage();
count();
await import('./encoder.js');
await import('./gpu.js');
const page = { evaluate: async (work, given) => work(given) };

const rows = [];
const add = (row) => {
  console.error(JSON.stringify(row));
  rows.push(row);
};
const adapter = await navigator.gpu.requestAdapter();
if (adapter === null) throw new Error('Dawn found no adapter: there is no driver for this machine, or it is too old');
const { shapes } = plan(!adapter.info.isFallbackAdapter);
const machine = await machineRow(page, add);
// A process loads a program once: its modules stay.
const loads = {};
for (const name of NAMES) loads[name] = [await bench.loaded(name, RUN, FIRST)];
coldRows(loads, add);
await warmRows(page, shapes, machine, add);

const [file] = process.argv.slice(2);
const text = `${JSON.stringify(rows)}\n`;
await (file === undefined ? new Promise((written) => process.stdout.write(text, written)) : writeFile(file, text));
// Dawn keeps the process alive while there are devices.
process.exit();

/** Makes Node look like a page of a server, whose files are those of this folder. */
function likeAPage() {
  Object.assign(globalThis, globals, {
    location: new URL('http://folder.invalid/'),
    // wgpu looks for a window before it looks for a GPU.
    Window: Object,
    fetch: fetchFile,
  });
  Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]), hardwareConcurrency: 1 } });
  const { writeBuffer } = GPUQueue.prototype;
  // Dawn for Node reads wild memory where bytes are shared, as all of onnxruntime-web's are.
  GPUQueue.prototype.writeBuffer = function (buffer, offset, data, start = 0, size = data.length - start) {
    const [bytes, from] =
      data.buffer instanceof SharedArrayBuffer ? [data.slice(start, start + size), 0] : [data, start];
    return writeBuffer.call(this, buffer, offset, bytes, from, size);
  };
}

/** The file at an address of this folder; packages ask for their own by its place in the file system. */
async function fetchFile(address) {
  const { href, origin, pathname } = new URL(address.url ?? address, location);
  const file = new URL(origin === location.origin ? `.${pathname}` : href, import.meta.url);
  try {
    const bytes = await readFile(file);
    const type = file.pathname.endsWith('.wasm') ? 'application/wasm' : 'application/octet-stream';
    return new Response(bytes, { headers: { 'content-type': type, 'content-length': bytes.length } });
  } catch {
    return new Response(null, { status: 404 });
  }
}
