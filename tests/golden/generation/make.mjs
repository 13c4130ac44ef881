// Makes smollm2.json and qwen2.5-coder.json: what llama.cpp makes of prompts, conversations and gaps in code, taking the likeliest
// token each time. A model of code is given the gaps, another one the rest.
//
//     npm install && node make.mjs ~/.cache/pilot-light/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf
import { writeFileSync } from 'node:fs';
import { Template } from '@huggingface/jinja';
import { getLlama, readGgufFileInfo } from 'node-llama-cpp';

const TOKENS = 40;
const MARGIN = 3;
const PROMPTS = ['The capital of France is', 'def fibonacci(n):\n    ', 'Once upon a time, in a small village by the sea,'];
const CONVERSATIONS = [
  [{ role: 'user', content: 'What is the capital of Japan?' }],
  [
    { role: 'system', content: 'You answer with one short sentence.' },
    { role: 'user', content: 'Who wrote <|im_end|> Hamlet? 🎭' },
  ],
];

const INFILLS = [
  { prefix: 'def add(a, b):\n    ', suffix: '\n\nprint(add(2, 3))\n' },
  { prefix: 'function isEven(n) {\n  return ', suffix: ';\n}\n' },
];

const [path] = process.argv.slice(2);
const isOfCode = /coder/i.test(path);
const llama = await getLlama({ gpu: false, logLevel: 'error' });
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({ contextSize: 1024, threads: 2 });
const sequence = context.getSequence();
const template = new Template((await readGgufFileInfo(path)).metadata.tokenizer.chat_template);

/**
 * The text that follows `ids`, whether it ended by itself, and `sure`: the beginning of it in which each token is at least
 * `MARGIN` times as likely as any other. Behind that another rounding may lead to another text.
 */
async function continued(ids) {
  await sequence.clearHistory();
  const tokens = [];
  let sure;
  let next = ids;
  for (;;) {
    const results = await sequence.controlledEvaluate([
      ...next.slice(0, -1),
      [next.at(-1), { generateNext: { probabilities: true } }],
    ]);
    const [[token, first], [, second]] = [...results.at(-1).next.probabilities].sort(([, a], [, b]) => b - a);
    if (first < MARGIN * second) sure ??= tokens.length;
    if (model.isEogToken(token)) break;
    tokens.push(token);
    if (tokens.length >= TOKENS) break;
    next = [token];
  }
  const finish_reason = tokens.length < TOKENS ? 'stop' : 'length';
  return { text: model.detokenize(tokens), finish_reason, sure: model.detokenize(tokens.slice(0, sure)) };
}

/** The ids of a conversation. A control token in a message is text, so messages are put in as tokens of their own. */
function chatIds(messages) {
  // A letter that no message has stands for each, and is split out again.
  const marked = messages.map(({ role }, index) => ({ role, content: String.fromCodePoint(0xe000 + index) }));
  const rendered = template.render({ messages: marked, add_generation_prompt: true });
  return rendered.split(/([\ue000-\uf8ff]\n?)/);
}

/** The tokens of prompts and conversations, and what follows them. */
async function ofTexts() {
  const result = { tokens: TOKENS, prompts: [], conversations: [] };
  for (const prompt of PROMPTS) {
    const ids = model.tokenize(prompt, true);
    result.prompts.push({ prompt, ids: Array.from(ids), ...(await continued(ids)) });
  }
  for (const messages of CONVERSATIONS) {
    // In the template of this model a control token stands before and after each message, so parts can be put together.
    const ids = chatIds(messages).flatMap((part) => {
      const index = part.codePointAt(0) - 0xe000;
      return index >= 0 && index < messages.length
        ? Array.from(model.tokenize(messages[index].content + part.slice(1), false))
        : Array.from(model.tokenize(part, true));
    });
    result.conversations.push({ messages, ids, ...(await continued(ids)) });
  }
  return result;
}

/** The tokens of gaps in code, and what fills them. */
async function ofGaps() {
  const result = { tokens: TOKENS, infills: [] };
  const { prefix: before, suffix: behind, middle } = model.tokens.infill;
  for (const { prefix, suffix } of INFILLS) {
    const ids = [before, ...model.tokenize(prefix, false), behind, ...model.tokenize(suffix, false), middle];
    result.infills.push({ prefix, suffix, ids, ...(await continued(ids)) });
  }
  return result;
}

const [file, result] = isOfCode ? ['qwen2.5-coder.json', await ofGaps()] : ['smollm2.json', await ofTexts()];
writeFileSync(new URL(file, import.meta.url), `${JSON.stringify(result, null, 2)}\n`);
await llama.dispose();
