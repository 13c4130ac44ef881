// Helpers of the benchmark drivers: pages of the development server, and statistics.
export { launchOptions } from '../tests/web/browser.mjs';
export { mean, median, rounded } from './statistics.mjs';

/** The arguments of a driver; ends the program with `usage` where fewer than `least` are given. */
export function commandLine(usage, least = 1) {
  const words = process.argv.slice(2);
  if (words.length < least) {
    console.error(`usage: ${usage}`);
    process.exit(2);
  }
  return words;
}

/** Opens `path` of the server at `address` in a browser profile, or in a new one of `profile`, a browser; waits for its script. */
export async function openPage(profile, address, path) {
  const page = await profile.newPage();
  page.on('pageerror', (error) => console.error(String(error)));
  const response = await page.goto(new URL(path, address).href);
  if (!response.ok()) throw new Error(`${response.url()} answered ${response.status()}, expected 200`);
  await page.waitForFunction(() => globalThis.bench !== undefined);
  return page;
}
