// The golden values of this folder, from node-llama-cpp 3.21.1: `node make.mjs MODEL.gguf NAME.json [TOKENS] [--bos]`, next
// to a `node_modules` that has it. Probabilities of long texts take some gigabytes of JavaScript's memory.
import { readFileSync, writeFileSync } from 'node:fs';
import { getLlama } from 'node-llama-cpp';

const [modelPath, out, tokens = '400', bos] = process.argv.slice(2);
const text = readFileSync(new URL('text.txt', import.meta.url), 'utf8');
const llama = await getLlama({ gpu: false, logLevel: 'error' });
const model = await llama.loadModel({ modelPath });
const first = bos === undefined ? [] : [model.tokens.bos];
const ids = [...first, ...model.tokenize(text, false).slice(0, Number(tokens))];
const context = await model.createContext({ contextSize: 1024, threads: 2 });
const sequence = context.getSequence();

const asked = ids.map((id, at) => [id, { generateNext: { probabilities: at < ids.length - 1 } }]);
const evaluated = await sequence.controlledEvaluate(asked);
const losses = ids.slice(1).map((id, at) => -Math.log(evaluated[at].next.probabilities.get(id)));
await sequence.clearHistory();

const prompt = 40;
const greedy = [];
for await (const id of sequence.evaluate(ids.slice(0, prompt), { temperature: 0 })) {
  greedy.push(id);
  if (greedy.length === 64) break;
}
const nll = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
writeFileSync(out, JSON.stringify({ ids, nll, prompt, greedy }));
