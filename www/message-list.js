// The list of messages, one row each.
import { showSent } from './requests-view.js';
import { excerpt, fateOf, percent, routeWords } from './text.js';

export class MessageList {
  /** 'newest': newest first; 'sure': lowest confidence first. */
  order = 'newest';

  constructor(root, template) {
    this.root = root;
    this.template = template;
  }

  /** Draws `message`; `view` is { threshold, remoteOn }. */
  show(message, view) {
    if (message.row === undefined) {
      message.row = this.#row(message);
      this.root.prepend(message.row);
    }
    paint(message, view);
  }

  /** Moves a row that has just been answered to its position in the order. */
  place({ row }) {
    if (this.order === 'newest') return;
    const next = [...this.root.children].find((other) => other !== row && confidence(other) > confidence(row));
    this.root.insertBefore(row, next ?? null);
  }

  /** Sorts all rows; `messages` are in the order of arrival. */
  arrange(messages) {
    const rows = messages.flatMap(({ row }) => row ?? []).reverse();
    if (this.order === 'sure') rows.sort((a, b) => confidence(a) - confidence(b));
    this.root.append(...rows);
  }

  #row({ id, kind, text }) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    row.dataset.id = id;
    part(row, 'kind').textContent = kind;
    part(row, 'text').textContent = text.trim() === '' ? '(only white space)' : excerpt(text);
    return row;
  }
}

const part = (row, name) => row.querySelector(`[data-part=${name}]`);

/** Rows without an answer sort first. */
const confidence = (row) => Number(row.dataset.confidence ?? -1);

function paint(message, { threshold, remoteOn }) {
  const { row, envelope, error, asking, host, before } = message;
  const fate = asking ? 'asking' : error ? 'none' : fateOf(envelope, threshold);
  // Only the fate depends on the threshold, and one step of the slider changes few rows.
  const seen = JSON.stringify([fate, remoteOn]);
  if (message.painted === envelope && message.seen === seen && !error) return;
  Object.assign(message, { painted: envelope, seen });

  row.dataset.fate = fate;
  if (envelope) {
    Object.assign(row.dataset, {
      route: envelope.route,
      reason: envelope.reason,
      label: envelope.output.label,
      confidence: envelope.confidence,
      device: envelope.device.kind,
      degraded: envelope.degraded,
      latencyMs: envelope.latency_ms,
    });
  }
  part(row, 'label').textContent = envelope?.output.label ?? '';
  part(row, 'confidence').textContent = envelope ? confidenceWords(envelope, before) : '';
  part(row, 'route').textContent = asking
    ? askingWords(message, remoteOn)
    : error
      ? errorWords(message)
      : routeWords(envelope, fate, host, remoteOn).join(' · ');
  const notes = [];
  if (fate === 'failed' && envelope.detail) notes.push(envelope.detail);
  if (envelope?.truncated) notes.push('Too long for the model: only the beginning was read.');
  part(row, 'note').textContent = notes.join(' ');
  if (!asking) showSent(part(row, 'sent'), message);
}

function confidenceWords({ route, confidence }, before) {
  if (route === 'local') return `${percent(confidence)} sure`;
  return before ? `here: ${before}, ${percent(confidence)} sure` : `here only ${percent(confidence)} sure`;
}

/** A message that is asked again after it was sorted is being sent. */
const askingWords = ({ envelope, host }, remoteOn) =>
  envelope && remoteOn ? `Being sent to ${host}…` : 'Being sorted…';

function errorWords({ error, mayHaveLeft }) {
  if (error.kind !== 'cancelled') return `Not sorted. ${error.message}`;
  return mayHaveLeft ? 'Stopped. It may already have been sent to the remote.' : 'Stopped before it was sorted.';
}
