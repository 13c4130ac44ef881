// The section for records: the fields of a JSON schema, read out of a text and marked in it. Those that the local model is not sure
// of are asked of the remote, where it is on.
import { cascade } from 'pilot-light';
import { textElement } from './dom.js';
import { LazyModel } from './lazy-model.js';
import { markedText } from './marked.js';
import { GENERATOR, POLICY, REDACTOR } from './models.js';
import { showSent } from './requests-view.js';
import { many, percent } from './text.js';
import { NO_TEXT, onText } from './text-form.js';
import { remote, showSending } from './view.js';

/** The remote is asked for a field below this. */
const SURE = 0.8;

export function records(section) {
  const open = ({ device, progress_callback }) =>
    cascade({
      local: { task: 'information-extraction', model: GENERATOR, device },
      ...(remote.options && { remote: remote.options }),
      policy: { ...POLICY, threshold: SURE },
      redactor: REDACTOR,
      progress_callback,
    });
  const settings = () => JSON.stringify([remote.on.checked, remote.address.value, remote.model.value]);
  const model = new LazyModel(section, open, settings);
  const { schema } = section.elements;
  const [marked, sent, rows] = ['.marked', '.sent', 'tbody'].map((name) => section.querySelector(name));
  onText(section, model, NO_TEXT, (value) => {
    void model.use(async (extract, isCurrent) => {
      const [requests, host] = [[], remote.host];
      const request_callback = (request) => showSending({ requests }, request);
      const envelope = await extract(value, { schema: schema.value, request_callback });
      if (!isCurrent()) return '';
      const { fields } = envelope.output;
      marked.hidden = rows.parentElement.hidden = false;
      marked.replaceChildren(...markedText(value, spans(fields)));
      rows.replaceChildren(...fields.map((field) => row(field, envelope, host)));
      showSent(sent, { requests, envelope });
      const words = `${many(fields.length, 'field')}${unsureWords(envelope, host)}.`;
      return requests.length === 0 ? words : { words, left: 'what left this device is below' };
    });
  });
}

const nameOf = (pointer) => pointer.slice(1).replaceAll('/', '.');

function spans(fields) {
  const found = fields.filter(({ span }) => span);
  return found.map(({ span, pointer }) => ({ ...span, note: nameOf(pointer) })).sort((a, b) => a.start - b.start);
}

/** How many fields were unsure, and what became of them. */
function unsureWords({ output: { fields, delegated }, attempts, reason }, host) {
  const unsure = fields.filter(({ confidence }) => confidence < SURE).length;
  if (attempts === 0) {
    const why = reason === 'no-remote' ? 'which is all that would be delegated' : `none delegated: ${reason}`;
    return unsure === 0 ? ', all of them sure' : `, ${unsure} of them unsure, ${why}`;
  }
  const { asked, answered } = delegated;
  const why = reason === 'unsure' ? '' : ` (${reason})`;
  return `; ${host} was asked for ${many(asked.length, 'unsure one')} alone and gave ${answered.length}${why}`;
}

/** The row of a field in the table. */
function row(field, envelope, host) {
  const { pointer, value, confidence, source } = field;
  const cells = [nameOf(pointer), String(value), percent(confidence), reasonOf(field, envelope, host)];
  const row = document.createElement('tr');
  row.classList.toggle('unsure', confidence < SURE && source !== 'remote');
  row.append(...cells.map((words, index) => textElement(index === 0 ? 'th' : 'td', words)));
  row.firstElementChild.scope = 'row';
  return row;
}

/** Why a field has its value. */
function reasonOf({ pointer, span, source }, { output: { delegated }, attempts }, host) {
  const isAmong = (pointers = []) => pointers.some((part) => pointer === part || pointer.startsWith(`${part}/`));
  if (source === 'remote') return `given by ${host}`;
  const here = source === 'recogniser' ? 'known by its form' : span ? 'read by SmolLM2' : 'not in the text as it is';
  if (isAmong(delegated?.refused)) return `${here}; ${host} gave a value that the schema forbids`;
  return attempts > 0 && isAmong(delegated?.asked) ? `${here}; ${host} gave no value` : here;
}
