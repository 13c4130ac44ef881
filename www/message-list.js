import { showSent } from './requests-view.js';
import { excerpt, fateOf, percent, routeWords } from './text.js';

/** The sorted messages as a list, one row each. */
export class List {
  /** `'newest'` first, or the least `'sure'` first. */
  order = 'newest';

  constructor(root, template) {
    this.root = root;
    this.template = template;
  }

  /** Shows `message` as it stands; `view` is { threshold, remoteOn }. */
  show(message, view) {
    if (message.row === undefined) {
      message.row = this.#row(message);
      this.root.prepend(message.row);
    }
    paint(message, view);
  }

  /** Puts a row that has just been answered where the order wants it. */
  place({ row }) {
    if (this.order === 'newest') return;
    const surer = [...this.root.children].find((other) => other !== row && sureness(other) > sureness(row));
    this.root.insertBefore(row, surer ?? null);
  }

  /** Orders all rows anew; `messages` are in the order in which they came. */
  arrange(messages) {
    const rows = messages.flatMap(({ row }) => row ?? []).reverse();
    if (this.order === 'sure') rows.sort((a, b) => sureness(a) - sureness(b));
    this.root.append(...rows);
  }

  #row({ id, kind, text }) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    row.dataset.id = id;
    part(row, 'kind').textContent = kind;
    part(row, 'text').textContent = text.trim() === '' ? '(nothing but space)' : excerpt(text);
    return row;
  }
}

const part = (row, name) => row.querySelector(`[data-part=${name}]`);

/** Rows without an answer count as the least sure. */
const sureness = (row) => Number(row.dataset.confidence ?? -1);

function paint(message, { threshold, remoteOn }) {
  const { row, envelope, error, asking, host, before } = message;
  const fate = asking ? 'asking' : error ? 'none' : fateOf(envelope, threshold);
  // Nothing but the fate depends on the threshold, and few rows change at one step of the slider.
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
  part(row, 'confidence').textContent = envelope ? sureWords(envelope, before) : '';
  part(row, 'route').textContent = asking ? askingWords(message, remoteOn) : error ? errorWords(message) : routeWords(envelope, fate, host, remoteOn).join(' · ');
  const notes = [];
  if (fate === 'failed' && envelope.detail) notes.push(envelope.detail);
  if (envelope?.truncated) notes.push('Too long for the model: only its beginning was read.');
  part(row, 'note').textContent = notes.join(' ');
  if (!asking) showSent(part(row, 'sent'), message);
}

function sureWords({ route, confidence }, before) {
  if (route === 'local') return `${percent(confidence)} sure`;
  return before ? `here: ${before}, ${percent(confidence)} sure` : `here only ${percent(confidence)} sure`;
}

/** One that was sorted before and is asked again is being sent. */
const askingWords = ({ envelope, host }, remoteOn) => (envelope && remoteOn ? `Being sent to ${host}…` : 'Being sorted…');

function errorWords({ error, mayHaveLeft }) {
  if (error.kind !== 'cancelled') return `Not sorted. ${error.message}`;
  return mayHaveLeft ? 'Stopped. It may have been on its way to the remote.' : 'Stopped before it was sorted.';
}
