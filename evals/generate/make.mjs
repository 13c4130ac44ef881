// The reference values of this folder, from node-llama-cpp 3.21.1 on the CPU: `node make.mjs MODEL.gguf NAME.json`, next to a
// `node_modules` that has it.
import { readFileSync, writeFileSync } from 'node:fs';
import { getLlama } from 'node-llama-cpp';

/** Tokens of the text. */
const TOKENS = 2000;
/** Tokens whose probabilities are in memory at once: each takes some megabytes. */
const AT_ONCE = 20;
/** Tokens of each prompt, and of what follows it. */
const [PROMPT, FOLLOWING] = [40, 64];
/** Where in the text the prompts begin. */
const PROMPTS = [0, 400, 800, 1200, 1600];
/** Tokens of what fills a gap, at most. */
const MIDDLE = 24;

const [modelPath, out] = process.argv.slice(2);
const text = readFileSync(new URL('text.txt', import.meta.url), 'utf8');
const llama = await getLlama({ gpu: false, logLevel: 'error' });
const model = await llama.loadModel({ modelPath });
const words = model.tokenize(text, false).slice(0, TOKENS);
const first = model.tokens.shouldPrependBosToken && model.tokens.bos !== null ? [model.tokens.bos] : [];
const ids = [...first, ...words];
const context = await model.createContext({ contextSize: TOKENS + 100, threads: 2 });
const sequence = context.getSequence();

let loss = 0;
for (let at = 0; at + 1 < ids.length; at += AT_ONCE) {
  const part = ids.slice(at, at + AT_ONCE);
  const asked = part.map((id) => [id, { generateNext: { probabilities: true } }]);
  const evaluated = await sequence.controlledEvaluate(asked);
  for (const [index, { next }] of evaluated.entries()) {
    const id = ids[at + index + 1];
    if (id !== undefined) loss -= Math.log(next.probabilities.get(id));
  }
}

const prompts = [];
for (const start of PROMPTS) {
  await sequence.clearHistory();
  const prompt = [...first, ...words.slice(start, start + PROMPT)];
  prompts.push({ prompt, following: await following(prompt, FOLLOWING) });
}

const infills = [];
if (model.tokens.infill.prefix !== null && out.includes('coder')) {
  const cases = JSON.parse(readFileSync(new URL('infills.json', import.meta.url), 'utf8'));
  const { prefix: before, suffix: behind, middle } = model.tokens.infill;
  for (const { prefix, suffix } of cases) {
    await sequence.clearHistory();
    const prompt = [before, ...model.tokenize(prefix), behind, ...model.tokenize(suffix), middle];
    infills.push({ prefix, suffix, prompt, following: await following(prompt, MIDDLE) });
  }
}
writeFileSync(out, JSON.stringify({ ids, nll: loss / (ids.length - 1), prompts, infills }));

/** The likeliest tokens behind a prompt, up to the one that ends a text. */
async function following(prompt, most) {
  const found = [];
  for await (const id of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    found.push(id);
    if (found.length === most || model.isEogToken(id)) break;
  }
  return found;
}
