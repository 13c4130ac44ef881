// The section for personal data: token-classification with the entities highlighted.
import { pipeline } from 'pilot-light';
import { LazyModel } from './lazy-model.js';
import { markedText } from './marked.js';
import { many, percent } from './text.js';
import { NO_TEXT, onText } from './text-form.js';

export function personal(section) {
  const model = new LazyModel(section, (options) => pipeline('token-classification', '/models/rampart', options));
  const marked = section.querySelector('.marked');
  onText(section, model, NO_TEXT, (value) => {
    void model.use(async (find, isCurrent) => {
      const found = await find(value, { aggregation_strategy: 'simple' });
      if (!isCurrent()) return '';
      marked.hidden = false;
      marked.replaceChildren(...markedText(value, marks(found)));
      return found.length === 0
        ? 'No personal data was found.'
        : `${many(found.length, 'piece')} of personal data: ${kinds(found)}.`;
    });
  });
}

/** What is marked in the text. */
const marks = (found) =>
  found.map(({ entity_group, score, start, end }) => {
    const note = kindWords(entity_group);
    return { start, end, note, title: `${note}, ${percent(score)} sure` };
  });

/** `given name (2), city` */
function kinds(found) {
  const counts = new Map();
  for (const { entity_group } of found) counts.set(entity_group, (counts.get(entity_group) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${kindWords(kind)}${count > 1 ? ` (${count})` : ''}`).join(', ');
}

const kindWords = (label) => label.toLowerCase().replaceAll('_', ' ');
