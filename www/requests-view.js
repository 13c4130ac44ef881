// The requests that left the device for one message, exactly as sent.
import { textElement } from './dom.js';
import { many } from './text.js';

/** Shows the requests of `message` in `details`, which is hidden where there were none. */
export function showSent(details, { requests = [], envelope }) {
  details.hidden = requests.length === 0;
  if (details.hidden) return;
  details.querySelector('[data-part=replaced]').textContent = replacedWords(envelope?.replaced);
  details.querySelector('[data-part=requests]').replaceChildren(...requests.flatMap(request));
}

/** One request, with its placeholders highlighted. */
function request({ url, body }, index, { length }) {
  const which = length > 1 ? `Attempt ${index + 1} of ${length}: ` : '';
  const to = textElement('p', `${which}${url === undefined ? 'to the browser’s own model' : `POST ${url}`}`);
  const sent = document.createElement('pre');
  sent.append(...body.split(/(\[[A-Z0-9_]+_[0-9]+\])/).map((piece, i) => (i % 2 ? textElement('mark', piece) : piece)));
  return [to, sent];
}

/** `Removed before it was sent: 2× given name (in 3 places), 1× email.` */
function replacedWords(replaced) {
  if (replaced === undefined) return '';
  if (replaced.length === 0) return 'No personal data was found.';
  const kinds = replaced.map(({ kind, values, places }) => {
    const where = places > values ? ` (in ${many(places, 'place')})` : '';
    return `${values}\u00a0× ${kind.toLowerCase().replaceAll('_', ' ')}${where}`;
  });
  return `Removed before it was sent: ${kinds.join(', ')}.`;
}
