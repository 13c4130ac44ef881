import { count, fateOf, many, percent, routeWords } from './text.js';

const $ = (id) => document.getElementById(id);

/** The box for one's own messages, and what became of the last that were put in. */
export class Own {
  #batch = [];

  /** @param {(texts: string[]) => object[]} sort Takes the texts; gives the messages that they became. */
  constructor(sort) {
    const text = $('own-text');
    $('own').addEventListener('submit', (event) => {
      event.preventDefault();
      const texts = ($('per-line').checked ? text.value.split(/\r?\n/) : [text.value]).filter((one) => one.trim() !== '');
      if (texts.length === 0) {
        this.tell('There is nothing to sort yet: write or paste a message.');
        text.focus();
        return;
      }
      text.value = '';
      this.tell('Waiting to be sorted…');
      this.#batch = sort(texts);
    });
    text.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) $('own').requestSubmit();
    });
  }

  tell(words) {
    $('own-result').textContent = words;
  }

  /** Says what became of the last batch, once all of it has ended. */
  ended(message, threshold, remoteOn) {
    if (!this.#batch.includes(message) || this.#batch.some(({ asking, envelope, error }) => asking || !(envelope || error))) return;
    this.tell(this.#batch.length === 1 ? oneWords(message, threshold, remoteOn) : pileWords(this.#batch));
    this.#batch = [];
  }

  /** Nothing is under way any more, though some of the batch may not have had its turn. */
  idle() {
    if (this.#batch.length > 0) this.tell(pileWords(this.#batch));
    this.#batch = [];
  }
}

function oneWords({ envelope, error, host }, threshold, remoteOn) {
  if (error) return error.kind === 'cancelled' ? 'Stopped before it was sorted.' : `Not sorted. ${error.message}`;
  const fate = fateOf(envelope, threshold);
  const [route] = routeWords(envelope, fate, host, remoteOn);
  return `${envelope.output.label}${fate === 'left' ? '' : `, ${percent(envelope.confidence)} sure`}. ${route}.`;
}

function pileWords(batch) {
  const piles = {};
  for (const { envelope } of batch) {
    const pile = envelope?.output.label ?? 'not sorted';
    piles[pile] = (piles[pile] ?? 0) + 1;
  }
  return `${many(batch.length, 'message')}: ${Object.entries(piles).map(([pile, size]) => `${count(size)} ${pile}`).join(', ')}.`;
}
