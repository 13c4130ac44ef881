// A browser as on a slower machine.
import { setTimeout as pause } from 'node:timers/promises';

import { chromium } from 'playwright-core';

/** The browser runs for so long at a time. */
const RUN_MS = 10;

/**
 * Launches Chromium with `options`, all of whose processes are stopped for a part of the time, so that whatever it computes takes
 * `times` as long. Chromium's own throttling slows the thread of a page alone, and neither workers nor WebGPU in software.
 */
export async function launchSlower(options, times) {
  const server = await chromium.launchServer(options);
  const main = server.process();
  // playwright starts a browser as a process group of its own.
  const signal = (name) => main.exitCode === null && main.signalCode === null && process.kill(-main.pid, name);
  const browser = await chromium.connect(server.wsEndpoint());
  const slow = async () => {
    while (browser.isConnected()) {
      await pause(RUN_MS);
      signal('SIGSTOP');
      await pause(RUN_MS * (times - 1));
      signal('SIGCONT');
    }
  };
  const slowed = slow();
  return {
    newContext: (...given) => browser.newContext(...given),
    async close() {
      await browser.close();
      await slowed;
      await server.close();
    },
  };
}
