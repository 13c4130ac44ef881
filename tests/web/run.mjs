// Runner of the browser suites: two at a time, but for those that need the machine for themselves.
//
//     node run.mjs [SUITE…]
//
// Without names it runs all of them. The output of a suite is printed when it has ended; the last lines are the seconds that
// each one took. The environment is that of `cargo xtask test web`: CHROMIUM, PILOT_LIGHT_ADDRESS, PILOT_LIGHT_XTASK.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));

/** Suites at once. Each has a browser of its own, which is often waiting for one thread of its page. */
const LANES = Math.min(2, availableParallelism());

/**
 * Every suite with the reason why it must run alone, if there is one. The longest come first, so that the lanes end together.
 * Of those that run together none measures time, and none shares storage, files or ports with another.
 */
const SUITES = {
  'onnx-nodes': 'it has two browsers of its own, each of which compiles shaders on one core',
  misuse: 'it compares the times of two calls',
  tasks: undefined,
  api: undefined,
  devices: undefined,
  loads: undefined,
  load: undefined,
  'demo-page': undefined,
  builds: undefined,
  model: undefined,
  calibrate: undefined,
  learning: undefined,
  faults: undefined,
  privacy: undefined,
  chain: undefined,
  injections: undefined,
  cascade: undefined,
  'demo-sections': undefined,
  ledger: undefined,
  package: undefined,
  readme: undefined,
  examples: undefined,
  memory: undefined,
  spending: undefined,
  generate: undefined,
  'generate-webgpu': undefined,
  openai: undefined,
};

const there = readdirSync(FOLDER).flatMap((file) => /^(.*)\.test\.mjs$/.exec(file)?.[1] ?? []);
const unlisted = [
  ...there.filter((name) => !(name in SUITES)),
  ...Object.keys(SUITES).filter((name) => !there.includes(name)),
];
if (unlisted.length > 0) fail(`the table of suites and the files *.test.mjs differ in: ${unlisted.join(', ')}`);
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in SUITES));
if (unknown.length > 0) fail(`unknown suite '${unknown[0]}', expected one of ${Object.keys(SUITES).join(', ')}`);

const names = Object.keys(SUITES).filter((name) => wanted.length === 0 || wanted.includes(name));
const results = [];
for (const name of names.filter((name) => SUITES[name] !== undefined)) results.push(await run(name));
const together = names.filter((name) => SUITES[name] === undefined);
await Promise.all(
  Array.from({ length: LANES }, async () => {
    for (let name = together.shift(); name !== undefined; name = together.shift()) results.push(await run(name));
  }),
);

for (const { name, seconds, passed } of results.sort((a, b) => b.seconds - a.seconds))
  console.log(`${name}: ${passed ? 'passed' : 'FAILED'} in ${seconds} s`);
process.exit(results.every(({ passed }) => passed) ? 0 : 1);

/** Runs one suite, and prints its output when it has ended. */
async function run(name) {
  const start = performance.now();
  const child = spawn(process.execPath, ['--test', '--test-reporter=spec', `${FOLDER}${name}.test.mjs`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => output.push(bytes));
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const seconds = Math.round((performance.now() - start) / 1000);
  process.stdout.write(`---- ${name}, ${seconds} s\n${Buffer.concat(output)}`);
  return { name, seconds, passed: code === 0 };
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
