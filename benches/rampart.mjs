// Benchmark driver: recall of personal data in sentences with known entities, compared with onnxruntime on the same model file.
//
//     node rampart.mjs ADDRESS SENTENCES
//
// ADDRESS is the development server's, SENTENCES the output of rampart/make.py: the sentences, the spans of the known entities
// and what onnxruntime found. One row goes to stdout as a JSON array.
import { readFile } from 'node:fs/promises';

import { chromium } from 'playwright-core';

import { commandLine, launchOptions, openPage, rounded } from './driver.mjs';

const [address, file] = commandLine('node rampart.mjs ADDRESS SENTENCES', 2);
/** The decimals of a recall. */
const DECIMALS = 4;

const BATCH = 20;
/** The labels of the model that count for each kind of entity; other kinds are not counted. */
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
  theirs: recall(
    sentences,
    sentences.map(({ theirs }) => theirs),
  ),
};
const row = {
  name: 'rampart/recall',
  sentences: sentences.length,
  spans: scores.ours.spans,
  ours_recall: rounded(scores.ours.whole, DECIMALS),
  theirs_recall: rounded(scores.theirs.whole, DECIMALS),
  difference: rounded(scores.ours.whole - scores.theirs.whole, DECIMALS),
  ours_character_recall: rounded(scores.ours.characters, DECIMALS),
  theirs_character_recall: rounded(scores.theirs.characters, DECIMALS),
  sentences_labelled_alike: sentences.filter(
    ({ text, theirs }, i) => labelled(text, theirs) === labelled(text, found[i]),
  ).length,
};
console.error(JSON.stringify(row));
console.log(JSON.stringify([row]));

/** The spans that our pipeline finds in each text: [start, end, label]. */
async function ours(texts) {
  const browser = await chromium.launch(launchOptions('none'));
  try {
    const page = await openPage(browser, address, '/bench/models.html');
    return await page.evaluate(
      async ([texts, size]) => {
        const { pipeline } = await import('pilot-light');
        const find = await pipeline('token-classification', '/models/rampart', {
          device: 'wasm',
          dtype: 'q4',
          worker: false,
        });
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

/** The indices of letters and digits: what separates two names, or a street and a town, is not personal data. */
function words(text) {
  return Array.from(text.matchAll(/[\p{L}\p{N}]/gu), ({ index }) => index);
}

/** The label of every letter and digit. */
function labelled(text, spans) {
  return words(text)
    .map((at) => spans.find(([from, to]) => from <= at && at < to)?.[2] ?? '')
    .join();
}

/** The share of the known spans that are found whole under a label that counts, and the share of their characters. */
function recall(sentences, found) {
  let [spans, whole, characters, covered] = [0, 0, 0, 0];
  for (const [i, { text, spans: known }] of sentences.entries()) {
    for (const [begin, end, type] of known.filter(([, , type]) => type in LABELS)) {
      const matching = found[i].filter(([, , label]) => LABELS[type].includes(label));
      const counted = words(text).filter((at) => begin <= at && at < end);
      const inside = counted.filter((at) => matching.some(([from, to]) => from <= at && at < to)).length;
      spans += 1;
      whole += inside === counted.length ? 1 : 0;
      characters += counted.length;
      covered += inside;
    }
  }
  if (spans === 0) throw new Error('the sentences have no entities to find');
  return { spans, whole: whole / spans, characters: covered / characters };
}
