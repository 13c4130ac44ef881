// The section for summaries: the central sentences of a text, marked in it.
import { pipeline } from 'pilot-light';
import { submitOnControlEnter } from './dom.js';
import { LazyModel } from './lazy-model.js';
import { markedText } from './marked.js';
import { many, percent } from './text.js';

export function summaries(section) {
  const model = new LazyModel(section, (options) => pipeline('summarization', '/models/all-MiniLM-L6-v2', options));
  const { text, length } = section.elements;
  const marked = section.querySelector('.marked');
  section.addEventListener('submit', (event) => {
    event.preventDefault();
    const { value } = text;
    if (value.trim() === '') {
      model.show('idle', 'There is no text yet: write or paste one.');
      text.focus();
      return;
    }
    void model.use(async (summarize, isCurrent) => {
      const [{ sentences = [] }] = await summarize(value, { length: length.value });
      if (!isCurrent()) return '';
      const title = ({ score }) => `centrality ${percent(score)} of the most central sentence`;
      marked.hidden = false;
      marked.replaceChildren(
        ...markedText(
          value,
          sentences.map((one) => ({ ...one, title: title(one) })),
        ),
      );
      const read = sentences.reduce((sum, { start, end }) => sum + end - start, 0);
      return `${many(sentences.length, 'sentence')}, ${percent(read / value.length)} of the text.`;
    });
  });
  submitOnControlEnter(text);
}
