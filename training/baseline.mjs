// Baselines without training: a word list (AFINN-165, of the npm package `sentiment`) for sentiment, the majority label for
// spam. Run data.py first.
//
//     node baseline.mjs [--cache FOLDER]

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const ARCHIVE = 'sentiment-5.0.2.tgz';

const defaultCache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'pilot-light');
const { values } = parseArgs({ options: { cache: { type: 'string', default: defaultCache } } });
const data = join(values.cache, 'data');

const afinn = wordList();
for (const name of ['imdb', 'amazon', 'yelp']) {
  const examples = rows(`sentiment/test-${name}`);
  // A text without a known word scores 0. The package's own validation takes 0 for positive, which is the baseline
  // that others quote; taking it for negative does better, because complaints use fewer words of the list.
  report(`sentiment/${name}/zero-positive`, examples, (text) => (afinn(text) >= 0 ? 'positive' : 'negative'));
  report(`sentiment/${name}/zero-negative`, examples, (text) => (afinn(text) > 0 ? 'positive' : 'negative'));
}

const majority = majorityLabel(rows('spam/train').map((row) => row.label));
for (const name of ['test', 'test-short']) report(`spam/${name}`, rows(`spam/${name}`), () => majority);

/** The package's own scorer. It has no dependencies: its archive is all it needs. */
function wordList() {
  const folder = mkdtempSync(join(tmpdir(), 'pilot-light-'));
  try {
    execFileSync('tar', ['-xzf', present(join(data, 'packages', ARCHIVE)), '-C', folder]);
    const Sentiment = createRequire(import.meta.url)(join(folder, 'package'));
    const scorer = new Sentiment();
    return (text) => scorer.analyze(text).score;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function rows(name) {
  const lines = readFileSync(present(join(data, `${name}.jsonl`)), 'utf8').split('\n');
  return lines.filter(Boolean).map((line) => JSON.parse(line));
}

function present(path) {
  if (existsSync(path)) return path;
  console.error(`${path} is missing; run \`python data.py sentiment\` and \`python data.py spam\` first`);
  process.exit(1);
}

function majorityLabel(labels) {
  const counts = new Map();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0][0];
}

function report(name, examples, answer) {
  const right = examples.filter(({ text, label }) => answer(text) === label).length;
  console.log(`${name}: accuracy ${(right / examples.length).toFixed(3)}, n ${examples.length}`);
}
