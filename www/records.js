// The section for records: the fields of a JSON schema, read out of a text and marked in it.
import { pipeline } from 'pilot-light';
import { submitOnControlEnter, textElement } from './dom.js';
import { LazyModel } from './lazy-model.js';
import { markedText } from './marked.js';
import { GENERATOR } from './models.js';
import { many, percent } from './text.js';

/** A field below this is one that a remote model would be asked for. */
const SURE = 0.8;
const SOURCES = { decoder: 'read by SmolLM2', recogniser: 'known by its form', remote: 'from elsewhere' };

export function records(section) {
  const model = new LazyModel(section, (options) => pipeline('information-extraction', GENERATOR, options));
  const { text, schema } = section.elements;
  const marked = section.querySelector('.marked');
  const rows = section.querySelector('tbody');
  section.addEventListener('submit', (event) => {
    event.preventDefault();
    const { value } = text;
    if (value.trim() === '') {
      model.show('idle', 'There is no text yet: write or paste one.');
      text.focus();
      return;
    }
    void model.use(async (extract, isCurrent) => {
      const { fields } = await extract(value, { schema: schema.value });
      if (!isCurrent()) return '';
      marked.hidden = rows.parentElement.hidden = false;
      marked.replaceChildren(...markedText(value, spans(fields)));
      rows.replaceChildren(...fields.map(row));
      const unsure = fields.filter(({ confidence }) => confidence < SURE).length;
      const rest = unsure === 0 ? 'all of them sure' : `${unsure} of them unsure, which alone would be delegated`;
      return `${many(fields.length, 'field')}, ${rest}.`;
    });
  });
  submitOnControlEnter(text);
}

const nameOf = (pointer) => pointer.slice(1).replaceAll('/', '.');

function spans(fields) {
  const found = fields.filter(({ span }) => span);
  return found.map(({ span, pointer }) => ({ ...span, note: nameOf(pointer) })).sort((a, b) => a.start - b.start);
}

/** The row of a field in the table. */
function row({ pointer, value, confidence, source, span }) {
  const cells = [
    nameOf(pointer),
    String(value),
    percent(confidence),
    span ? SOURCES[source] : 'not in the text as it is',
  ];
  const row = document.createElement('tr');
  row.classList.toggle('unsure', confidence < SURE);
  row.append(...cells.map((words, index) => textElement(index === 0 ? 'th' : 'td', words)));
  row.firstElementChild.scope = 'row';
  return row;
}
