// The section for personal data: token-classification with the entities highlighted.
import { pipeline } from 'pilot-light';
import { submitOnControlEnter, textElement } from './dom.js';
import { LazyModel } from './lazy-model.js';
import { many, percent } from './text.js';

export function personal(section) {
  const model = new LazyModel(section, (options) => pipeline('token-classification', '/models/rampart', options));
  const text = section.querySelector('textarea');
  const marked = section.querySelector('.marked');
  section.addEventListener('submit', (event) => {
    event.preventDefault();
    if (text.value.trim() === '') {
      model.show('idle', 'There is no text yet: write or paste one.');
      text.focus();
      return;
    }
    const { value } = text;
    void model.use(async (find, isCurrent) => {
      const found = await find(value, { aggregation_strategy: 'simple' });
      if (!isCurrent()) return '';
      marked.hidden = false;
      marked.replaceChildren(...pieces(value, found));
      return found.length === 0
        ? 'No personal data was found.'
        : `${many(found.length, 'piece')} of personal data: ${kinds(found)}.`;
    });
  });
  submitOnControlEnter(text);
}

/** The text as nodes, with a mark for each entity. */
function pieces(text, found) {
  const parts = [];
  let at = 0;
  for (const { entity_group, score, start, end } of found) {
    if (start < at) continue;
    const mark = document.createElement('mark');
    mark.title = `${kindWords(entity_group)}, ${percent(score)} sure`;
    mark.append(text.slice(start, end), ' ', textElement('small', kindWords(entity_group)));
    parts.push(text.slice(at, start), mark);
    at = end;
  }
  return [...parts, text.slice(at)];
}

/** `given name (2), city` */
function kinds(found) {
  const counts = new Map();
  for (const { entity_group } of found) counts.set(entity_group, (counts.get(entity_group) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${kindWords(kind)}${count > 1 ? ` (${count})` : ''}`).join(', ');
}

const kindWords = (label) => label.toLowerCase().replaceAll('_', ' ');
