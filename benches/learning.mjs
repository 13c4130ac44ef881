// Benchmark driver: what learning costs in a page, on one thread: a full retraining and its pieces, and a question with learning
// compared with one without.
//
//     node learning.mjs ADDRESS
//
// ADDRESS is the development server's. Rows go to stdout as one JSON array, progress to stderr.
// A ratio is the time with learning divided by that without.
import { chromium } from 'playwright-core';

import { commandLine, launchOptions, mean, median, openPage, rounded } from './driver.mjs';

const [address] = commandLine('node learning.mjs ADDRESS');

/** Examples that a retraining is measured with. */
const EXAMPLES = 2000;
/** Examples where texts stay at home: as many, and about as many as are kept by default. */
const STORED = [2000, 5400];
const TRAININGS = 7;
const QUESTIONS = 120;

const rows = [];
const add = (row) => {
  console.error(JSON.stringify(row));
  rows.push(row);
};
const browser = await chromium.launch(launchOptions('none'));
try {
  const page = await openPage(await browser.newContext(), address, '/bench/learning.html');
  await page.evaluate(async (count) => {
    bench.file = await bench.examples(count);
  }, EXAMPLES);
  const found = [];
  // The first one is for the browser, which compiles.
  for (let i = 0; i <= TRAININGS; i += 1) found.push(await page.evaluate(() => bench.retraining(bench.file)));
  const trainings = found.slice(1);
  const of = (key) => trainings.map((training) => training[key]);
  add({
    name: 'learning/retraining',
    ms: rounded(median(of('ms'))),
    slowest_ms: rounded(Math.max(...of('ms'))),
    longest_piece_ms: rounded(median(of('longest'))),
    longest_piece_of_all_ms: rounded(Math.max(...of('longest'))),
    pieces: median(of('pieces')),
    gop: rounded(median(of('operations')) / 1e9),
    examples: found[0].examples,
    trained: found[0].trained,
  });
  for (const count of STORED) await questions(page, 'local', count);
  await questions(page, 'remote', EXAMPLES);
} finally {
  await browser.close();
}
console.log(JSON.stringify(rows));

/** One question in turn to one that learns, with so many examples, and to one that does not. */
async function questions(page, route, count) {
  const stored = await page.evaluate(([count, sends]) => bench.pair(count, sends), [count, route === 'remote']);
  const round = (index) => page.evaluate((index) => bench.round(index), index);
  for (let i = 0; i < 10; i += 1) await round(i);
  const found = [];
  for (let i = 0; i < QUESTIONS; i += 1) found.push(await round(i));
  for (const who of ['plain', 'learning']) {
    const others = found.filter((times) => times[`${who}_route`] !== route).length;
    if (others > QUESTIONS / 10) throw new Error(`${others} of ${QUESTIONS} questions to ${who} were not ${route}`);
  }
  const same = found.filter((times) => times.plain_route === route && times.learning_route === route);
  const [plain, learning] = ['plain', 'learning'].map((who) => same.map((times) => times[who]));
  add({
    name: `learning/question/${route}/${stored}`,
    learning_ms: rounded(median(learning)),
    plain_ms: rounded(median(plain)),
    ratio: rounded(median(learning) / median(plain)),
    ratio_of_means: rounded(mean(learning) / mean(plain)),
  });
  await page.evaluate(() => bench.closePair());
}
