import { pipeline } from 'pilot-light';
import { Lazy, onFile } from './lazy-model.js';
import { megabytes, percent, count } from './text.js';

/** How many of the model's labels are shown beside the answer. */
const RUNNERS_UP = 3;

/** What a file is, whatever its name says. */
export function files(section) {
  const model = new Lazy(section, (options) => pipeline('file-classification', '/models/magika', options));
  const list = section.querySelector('.guesses');
  onFile(section, (file) =>
    model.use(async (classify, isCurrent) => {
      const [[answer], guesses] = [await classify(file), await classify(file, { top_k: RUNNERS_UP })];
      if (!isCurrent()) return '';
      list.replaceChildren(...guesses.map(guess));
      const size = file.size < 1e5 ? `${count(file.size)} bytes` : megabytes(file.size);
      return `${file.name || 'The file'} (${size}) is ${answer.label}, ${percent(answer.score)} sure.`;
    }),
  );
}

function guess({ label, score }) {
  const item = document.createElement('li');
  const bar = document.createElement('meter');
  bar.value = score;
  bar.setAttribute('aria-label', label);
  item.append(bar, ` ${label} ${percent(score)}`);
  return item;
}
