import { many } from './text.js';

/** Shows in `details` what of `message` has left the device, to the letter; nothing where nothing has. */
export function showSent(details, { requests = [], envelope }) {
  details.hidden = requests.length === 0;
  if (details.hidden) return;
  details.querySelector('[data-part=replaced]').textContent = replacedWords(envelope?.replaced);
  details.querySelector('[data-part=requests]').replaceChildren(...requests.flatMap(request));
}

/** A request as it was sent, with its placeholders marked. */
function request({ url, body }, index, { length }) {
  const to = document.createElement('p');
  const which = length > 1 ? `Attempt ${index + 1} of ${length}: ` : '';
  to.textContent = `${which}${url === undefined ? 'to the browser’s own model' : `POST ${url}`}`;
  const sent = document.createElement('pre');
  sent.append(...body.split(/(\[[A-Z0-9_]+_[0-9]+\])/).map((piece, i) => (i % 2 ? marked(piece) : piece)));
  return [to, sent];
}

function marked(placeholder) {
  const mark = document.createElement('mark');
  mark.textContent = placeholder;
  return mark;
}

/** `Taken out before: 2 given name (in 3 places), 1 email.` */
function replacedWords(replaced) {
  if (replaced === undefined) return '';
  if (replaced.length === 0) return 'Nothing was found that had to be taken out.';
  const kinds = replaced.map(({ kind, values, places }) => {
    const where = places > values ? ` (in ${many(places, 'place')})` : '';
    return `${values}\u00a0× ${kind.toLowerCase().replaceAll('_', ' ')}${where}`;
  });
  return `Taken out before it left: ${kinds.join(', ')}.`;
}
