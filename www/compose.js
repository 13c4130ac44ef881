// The form for the user's own messages, and the result of the last batch.
import { $, submitOnControlEnter } from './dom.js';
import { count, fateOf, many, percent, routeWords } from './text.js';

export class Compose {
  #batch = [];

  /** @param {(texts: string[]) => object[]} sort Queues the texts; returns their messages. */
  constructor(sort) {
    const text = $('compose-text');
    $('compose').addEventListener('submit', (event) => {
      event.preventDefault();
      const texts = ($('per-line').checked ? text.value.split(/\r?\n/) : [text.value]).filter(
        (one) => one.trim() !== '',
      );
      if (texts.length === 0) {
        this.show('There is nothing to sort yet: write or paste a message.');
        text.focus();
        return;
      }
      text.value = '';
      this.show('Waiting to be sorted…');
      this.#batch = sort(texts);
    });
    submitOnControlEnter(text);
  }

  show(words) {
    $('compose-result').textContent = words;
  }

  /** Shows the result of the last batch once all its messages have ended. */
  ended(message, threshold, remoteOn) {
    if (
      !this.#batch.includes(message) ||
      this.#batch.some(({ asking, envelope, error }) => asking || !(envelope || error))
    )
      return;
    this.show(this.#batch.length === 1 ? oneWords(message, threshold, remoteOn) : batchWords(this.#batch));
    this.#batch = [];
  }

  /** Shows the result when the queue is empty, though some messages of the batch may not have been reached. */
  idle() {
    if (this.#batch.length > 0) this.show(batchWords(this.#batch));
    this.#batch = [];
  }
}

function oneWords({ envelope, error, host }, threshold, remoteOn) {
  if (error) return error.kind === 'cancelled' ? 'Stopped before it was sorted.' : `Not sorted. ${error.message}`;
  const fate = fateOf(envelope, threshold);
  const [route] = routeWords(envelope, fate, host, remoteOn);
  return `${envelope.output.label}${fate === 'left' ? '' : `, ${percent(envelope.confidence)} sure`}. ${route}.`;
}

function batchWords(batch) {
  const counts = {};
  for (const { envelope } of batch) {
    const label = envelope?.output.label ?? 'not sorted';
    counts[label] = (counts[label] ?? 0) + 1;
  }
  return `${many(batch.length, 'message')}: ${Object.entries(counts)
    .map(([label, size]) => `${count(size)} ${label}`)
    .join(', ')}.`;
}
