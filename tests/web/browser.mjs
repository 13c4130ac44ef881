// Launch options of the system's Chromium: with WebGPU in software, or without WebGPU.
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
  // `navigator.gpu` exists and finds no adapter, as on many machines.
  none: ['--disable-gpu'],
};

/**
 * The options for `chromium.launch` of playwright-core.
 *
 * @param {'software' | 'none'} webgpu
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

/** Lets the pages of `target`, a context or a page, and their workers take WebGPU in software for hardware. */
export async function pretendHardware(target) {
  await target.addInitScript(HARDWARE);
  await target.route('**/worker.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${HARDWARE}\n${await response.text()}` });
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
