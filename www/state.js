// Application state: the messages, the cascade in use, and values derived from them.
import { $ } from './dom.js';

/** The attributes of the body, for style sheets and tests: the phase, the device, the threshold, the number of requests. */
export const page = document.body.dataset;

export const state = {
  /** All messages in the order of arrival: { id, kind, text, spam?, sentiment?, asking?, envelope?, error?, row?, … }. */
  messages: [],
  /** The cascade in use; undefined before the first one. */
  cascade: undefined,
  /** The settings it was loaded with: { model, device, remote }. */
  used: {},
  /** Whether the user has set the threshold. Until then it is the model's own. */
  thresholdChosen: false,
  /** Consecutive failures that were not caused by the message itself. */
  failures: 0,
  /** Totals since the page was opened; clearing the list does not reset them. */
  spent: { requests: 0, tokens: 0, here_ms: 0, there_ms: 0 },
};

/** The slider has two decimals. The model's own threshold is used in full precision: its guarantee holds for no other value. */
export const threshold = () =>
  state.thresholdChosen || state.cascade === undefined ? Number($('threshold').value) : state.cascade.threshold;

/** What the route of a row depends on, besides the message. */
export const view = () => ({ threshold: threshold(), remoteOn: page.remote === 'on' });

export const envelopes = () => state.messages.flatMap(({ envelope }) => envelope ?? []);

/** The messages that the send button sends: below the threshold, not answered by the remote, not too long for it. */
export const sendable = () =>
  state.messages.filter(
    ({ envelope, asking }) =>
      envelope?.route === 'local' && !asking && envelope.confidence < threshold() && envelope.reason !== 'too-long',
  );

/** The messages without an answer, because they were not reached or were stopped. */
export const unsorted = () =>
  state.messages.filter(({ envelope, error }) => !envelope && (!error || error.kind === 'cancelled'));

/** The sorted samples: how sure the model was, and whether it was right; undefined where only the remote's label is known. */
export const examples = () =>
  state.messages.flatMap(({ envelope, before, [state.used.model]: right }) => {
    if (envelope === undefined || right === undefined) return [];
    const label = before ?? (envelope.route === 'local' ? envelope.output.label : undefined);
    return [{ confidence: envelope.confidence, correct: label && label === right }];
  });

let lastId = 0;

/** A message without an answer. */
export function newMessage(message) {
  return { id: ++lastId, ...message };
}

/** Removes a message's answer and its row. */
export function resetMessage(message) {
  message.row?.remove();
  for (const name of ['row', 'envelope', 'error', 'before', 'requests', 'painted', 'seen']) delete message[name];
}
