// Finds personal data in sentences where its places are known, beside onnxruntime on the same file:
//
//     node rampart.mjs ADDRESS SENTENCES
//
// ADDRESS is that of the development server, SENTENCES what rampart/make.py has written: the sentences,
// the known places and what onnxruntime found. One row goes to stdout as a JSON array.
import { readFile } from 'node:fs/promises';

import { chromium } from 'playwright-core';

import { launchOptions } from '../tests/web/browser.mjs';

const [address, file] = process.argv.slice(2);
if (!file) {
  console.error('usage: node rampart.mjs ADDRESS SENTENCES');
  process.exit(2);
}

const BATCH = 20;
/** What the model may call each kind of data that it is made for; other kinds are not counted. */
const LABELS = {
  PERSON: ['GIVEN_NAME', 'SURNAME'],
  STREET_ADDRESS: ['BUILDING_NUMBER', 'STREET_NAME', 'SECONDARY_ADDRESS', 'CITY', 'STATE', 'ZIP_CODE'],
  GPE: ['CITY', 'STATE'],
  ZIP_CODE: ['ZIP_CODE'],
  PHONE_NUMBER: ['PHONE'],
  EMAIL_ADDRESS: ['EMAIL'],
  DOMAIN_NAME: ['URL'],
  IBAN_CODE: ['BANK_ACCOUNT'],
  US_SSN: ['TAX_ID', 'GOVERNMENT_ID'],
  US_DRIVER_LICENSE: ['DRIVERS_LICENSE'],
};

const sentences = JSON.parse(await readFile(file, 'utf8'));
const found = await ours(sentences.map(({ text }) => text));
const scores = {
  ours: recall(sentences, found),
  theirs: recall(sentences, sentences.map(({ theirs }) => theirs)),
};
const row = {
  name: 'rampart/recall',
  sentences: sentences.length,
  spans: scores.ours.spans,
  ours_recall: rounded(scores.ours.whole),
  theirs_recall: rounded(scores.theirs.whole),
  difference: rounded(scores.ours.whole - scores.theirs.whole),
  ours_character_recall: rounded(scores.ours.characters),
  theirs_character_recall: rounded(scores.theirs.characters),
  sentences_labelled_alike: sentences.filter(({ text, theirs }, i) => labelled(text, theirs) === labelled(text, found[i])).length,
};
console.error(JSON.stringify(row));
console.log(JSON.stringify([row]));

/** The places that our pipeline finds in each text. */
async function ours(texts) {
  const browser = await chromium.launch(launchOptions('none'));
  try {
    const page = await browser.newPage();
    await page.goto(new URL('/bench/models.html', address).href);
    return await page.evaluate(
      async ([texts, size]) => {
        const { pipeline } = await import('pilot-light');
        const find = await pipeline('token-classification', '/models/rampart', { device: 'wasm', dtype: 'q4', worker: false });
        const found = [];
        for (let i = 0; i < texts.length; i += size) {
          found.push(...(await find(texts.slice(i, i + size), { aggregation_strategy: 'simple' })));
        }
        return found.map((groups) => groups.map(({ start, end, entity_group }) => [start, end, entity_group]));
      },
      [texts, BATCH],
    );
  } finally {
    await browser.close();
  }
}

/** The places of letters and digits: what stands between two names, or a street and a town, is no personal data. */
function words(text) {
  return Array.from(text.matchAll(/[\p{L}\p{N}]/gu), ({ index }) => index);
}

/** The label of every letter and digit. */
function labelled(text, places) {
  return words(text).map((at) => places.find(([from, to]) => from <= at && at < to)?.[2] ?? '').join();
}

/** How many known places are wholly found under a label that fits, and how many of their characters. */
function recall(sentences, found) {
  let [spans, whole, characters, covered] = [0, 0, 0, 0];
  for (const [i, { text, spans: known }] of sentences.entries()) {
    for (const [begin, end, type] of known.filter(([, , type]) => type in LABELS)) {
      const places = found[i].filter(([, , label]) => LABELS[type].includes(label));
      const counted = words(text).filter((at) => begin <= at && at < end);
      const inside = counted.filter((at) => places.some(([from, to]) => from <= at && at < to)).length;
      spans += 1;
      whole += inside === counted.length ? 1 : 0;
      characters += counted.length;
      covered += inside;
    }
  }
  return { spans, whole: whole / spans, characters: covered / characters };
}

function rounded(value) {
  return Math.round(value * 10_000) / 10_000;
}
