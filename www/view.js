// Views: draws the state into the page. Nothing here loads or sorts.
import { $ } from './dom.js';
import { MessageList } from './message-list.js';
import { RemoteForm } from './remote-form.js';
import { envelopes, examples, page, sendable, state, threshold, unsorted, view } from './state.js';
import { Summary } from './summary.js';
import { count, deviceWords, errorWords, many, megabytes } from './text.js';
import { UsageView } from './usage-view.js';

export const list = new MessageList($('messages'), $('row'));
export const remote = new RemoteForm($('remote'));
export const usage = new UsageView(() => state.cascade);
const summary = new Summary();

/** Sets the phase: 'loading', 'ready', 'sorting', 'done' or 'error'. */
export const setPhase = (phase) => (page.state = phase);

/** Writes to the status line, which screen readers announce. */
export const announce = (words) => ($('status').textContent = words);

/** Shows an error; its button calls `retry`. */
export function showProblem(error, retry) {
  const { heading, message } = errorWords(error);
  $('problem-heading').textContent = heading;
  $('problem-message').textContent = message;
  $('retry').onclick = () => {
    closeProblem();
    void retry();
  };
  $('problem').hidden = false;
}

export function closeProblem() {
  // The focus must not be lost with the button that had it.
  if ($('problem').contains(document.activeElement)) $('model').focus();
  $('problem').hidden = true;
}

/** Draws every row again, for another threshold or another remote. */
export function drawRows() {
  for (const message of state.messages) if (message.row) list.show(message, view());
}

/** Draws the counts and the buttons; `open` is the number of messages that are queued or being asked. */
export function drawTotals(open) {
  const { messages } = state;
  summary.draw(envelopes(), threshold(), state.spent, state.cascade?.calibrations[0]);
  usage.drawRisk(examples(), threshold());
  summary.offer(page.remote === 'on', sendable().length, remote.host);
  $('counter').textContent =
    open > 0 ? `${count(messages.length - open)} of ${count(messages.length)}` : count(messages.length);
  $('again').textContent = open > 0 ? 'Stop' : unsorted().length > 0 ? 'Sort the rest' : 'Sort again';
  const waiting = messages.filter(({ row }) => row === undefined).length;
  $('stream-note').textContent =
    messages.length === 0
      ? 'No messages. Write one of your own.'
      : waiting > 0 && open === 0
        ? `${many(waiting, 'message')} not sorted yet.`
        : '';
}

export function showDevice(report) {
  page.device = report.kind;
  $('device-words').textContent = deviceWords(report);
}

/** Shows the progress of a load; without `total` it has only begun. */
export function showProgress(total) {
  if (total) {
    $('progress').value = total.progress;
    $('loading-words').textContent = `${megabytes(total.loaded)} of ${megabytes(total.total)}`;
    return;
  }
  $('loading').hidden = false;
  $('progress').removeAttribute('value');
  $('loading-words').textContent = 'Looking for the device and the files…';
}

/** Counts a request that leaves the device, in the header where it is always visible. */
export function showSending(message, { url, body }) {
  message.requests.push({ url, body });
  state.spent.requests += 1;
  page.requests = state.spent.requests;
  page.burner = 'lit';
  $('sent-words').textContent = `${many(state.spent.requests, 'request')} to the remote`;
}
