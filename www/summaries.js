// The section for summaries: the central sentences of a text, marked in it.
import { pipeline } from 'pilot-light';
import { LazyModel } from './lazy-model.js';
import { markedText } from './marked.js';
import { many, percent } from './text.js';
import { NO_TEXT, onText } from './text-form.js';

export function summaries(section) {
  const model = new LazyModel(section, (options) => pipeline('summarization', '/models/all-MiniLM-L6-v2', options));
  const { length } = section.elements;
  const marked = section.querySelector('.marked');
  onText(section, model, NO_TEXT, (value) => {
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
}
