// The section for code: text-generation that continues it, shown as it grows.
import { pipeline } from 'pilot-light';
import { submitOnControlEnter, textElement } from './dom.js';
import { LazyModel } from './lazy-model.js';
import { GENERATOR } from './models.js';
import { count } from './text.js';

const MAX_TOKENS = 96;

export function code(section) {
  const model = new LazyModel(section, (options) => pipeline('text-generation', GENERATOR, options));
  const text = section.querySelector('textarea');
  const stop = section.querySelector('[type=button]');
  let controller = new AbortController();
  stop.addEventListener('click', () => controller.abort());
  section.addEventListener('submit', (event) => {
    event.preventDefault();
    const { value } = text;
    if (value.trim() === '') {
      model.show('idle', 'There is no code yet: write or paste the beginning of some.');
      text.focus();
      return;
    }
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
  submitOnControlEnter(text);
}

/** Shows `code` in `written` and how it goes on; returns words about it. */
async function write(written, generate, code, signal) {
  const reply = document.createElement('mark');
  written.replaceChildren(textElement('span', code), reply);
  written.hidden = false;
  try {
    const stream = generate.stream(code, { max_new_tokens: MAX_TOKENS, return_full_text: false, signal });
    for await (const piece of stream) reply.append(piece);
    const { usage, confidence } = await stream.result;
    return `${count(usage.completion_tokens)} tokens, confidence ${confidence.toFixed(2)}.`;
  } catch (error) {
    if (signal.aborted) return 'Stopped.';
    throw error;
  }
}
