// The section for code: text-generation that continues it, shown as it grows.
import { pipeline } from 'pilot-light';
import { textElement } from './dom.js';
import { LazyModel } from './lazy-model.js';
import { GENERATOR } from './models.js';
import { many } from './text.js';
import { onText } from './text-form.js';

/** Options of each call. A model for conversations explains its code behind a fence. */
const OPTIONS = { max_new_tokens: 96, stop: ['```', '\n\n\n'], return_full_text: false };

export function code(section) {
  const model = new LazyModel(section, (options) => pipeline('text-generation', GENERATOR, options));
  const stop = section.querySelector('[type=button]');
  let controller = new AbortController();
  stop.addEventListener('click', () => controller.abort());
  onText(section, model, 'There is no code yet: write or paste the beginning of some.', (text) => {
    // Blanks belong to the token behind them: a model rarely goes on after one that stands alone.
    const value = text.trimEnd();
    controller.abort();
    controller = new AbortController();
    const { signal } = controller;
    void model.use(async (generate) => {
      stop.hidden = false;
      try {
        return await write(section.querySelector('.written'), generate, value, signal);
      } finally {
        // Not while a newer call is being answered.
        stop.hidden = controller.signal === signal;
      }
    });
  });
}

/** Shows `code` in `written` and how it goes on; returns words about it. */
async function write(written, generate, code, signal) {
  const reply = document.createElement('mark');
  written.replaceChildren(textElement('span', code), reply);
  written.hidden = false;
  try {
    const stream = generate.stream(code, { ...OPTIONS, signal });
    for await (const piece of stream) reply.append(piece);
    const { usage, confidence } = await stream.result;
    return `${many(usage.completion_tokens, 'token')}, confidence ${confidence.toFixed(2)}.`;
  } catch (error) {
    if (signal.aborted) return 'Stopped.';
    throw error;
  }
}
