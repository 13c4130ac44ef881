// The section for file types: file-classification by content.
import { pipeline } from 'pilot-light';
import { LazyModel, onFile } from './lazy-model.js';
import { count, megabytes, percent } from './text.js';

/** The number of labels that are listed. */
const TOP_K = 3;

export function files(section) {
  const model = new LazyModel(section, (options) => pipeline('file-classification', '/models/magika', options));
  const list = section.querySelector('.guesses');
  onFile(section, (file) =>
    model.use(async (classify, isCurrent) => {
      const [[answer], guesses] = [await classify(file), await classify(file, { top_k: TOP_K })];
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
