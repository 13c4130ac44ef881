// Launch options of the system's Chromium: with WebGPU in software, on the machine's GPU, or without WebGPU.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Repeatable: no network traffic of the browser's own. */
const QUIET = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const WEBGPU = {
  // A conforming WebGPU on the CPU: slow but correct.
  software: [
    '--enable-unsafe-webgpu',
    '--use-webgpu-adapter=swiftshader',
    '--enable-unsafe-swiftshader',
    '--enable-features=Vulkan',
  ],
  // The machine's own, if it has one.
  hardware: ['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--use-angle=vulkan', '--ignore-gpu-blocklist'],
  // `navigator.gpu` exists and finds no adapter, as on many machines.
  none: ['--disable-gpu'],
};

/**
 * The options for `chromium.launch` of playwright-core.
 *
 * @param {'software' | 'hardware' | 'none'} webgpu
 */
export function launchOptions(webgpu) {
  return {
    executablePath: findChromium(),
    args: ['--headless=new', ...QUIET, ...WEBGPU[webgpu]],
    ignoreDefaultArgs: ['--headless', '--enable-unsafe-swiftshader'],
  };
}

/** The browser says of the adapter, which is software, that it is hardware: `device: 'auto'` takes no other. */
const HARDWARE = `if (globalThis.GPUAdapterInfo !== undefined)
  Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });`;

/** A clock of its own, for which what the GPU did since it was last read took so long, and anything else 100 ms. */
const clock = (gpuMs) => `{
  const { mapAsync } = GPUBuffer.prototype;
  let [time, read] = [0, false];
  GPUBuffer.prototype.mapAsync = function (...range) {
    read = true;
    return mapAsync.apply(this, range);
  };
  performance.now = () => {
    time += read ? ${gpuMs} : 100;
    read = false;
    return time;
  };
}`;
const CLOCKS = { fast: clock(1), slow: clock(1000) };

/**
 * Lets the pages of `target`, a context or a page, and their workers take WebGPU in software for hardware; the workers' clock may
 * find it faster or slower than the CPU.
 *
 * @param {true | 'fast' | 'slow'} speed
 */
export async function pretendHardware(target, speed = true) {
  await target.addInitScript(HARDWARE);
  await target.route('**/worker.js', async (route) => {
    const response = await route.fetch();
    const scripts = [HARDWARE, CLOCKS[speed] ?? '', await response.text()];
    await route.fulfill({ response, body: scripts.join('\n') });
  });
}

/** The path of the browser: `$CHROMIUM`, or the first of its usual names on the `PATH`. */
function findChromium() {
  const { CHROMIUM, PATH = '' } = process.env;
  if (CHROMIUM) {
    if (isProgram(CHROMIUM)) return CHROMIUM;
    throw new Error(`CHROMIUM is '${CHROMIUM}', which is not an executable file.`);
  }
  const folders = [...PATH.split(delimiter), '/usr/bin'].filter(Boolean);
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram);
  if (found) return found;
  throw new Error(
    "No Chromium was found. Install one (Debian and Ubuntu: 'sudo apt-get install chromium'; Fedora: 'sudo dnf install chromium'), " +
      'or name yours in the environment variable CHROMIUM.',
  );
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
