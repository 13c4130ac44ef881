// Sorting: sends messages through the cascade and records what comes back.
import { Compose } from './compose.js';
import { MessageQueue } from './message-queue.js';
import { envelopes, newMessage, page, resetMessage, state, threshold, view } from './state.js';
import { deviceWords, outcome, tally } from './text.js';
import {
  announce,
  drawRows,
  drawTotals,
  list,
  remote,
  setPhase,
  showDevice,
  showProblem,
  showSending,
  usage,
} from './view.js';

/** Loads the model again; loading.js, which builds on this file, sets it. */
let reload = () => undefined;
export const onReload = (load) => (reload = load);

const ask = (message, signal) =>
  state.cascade(message.text, { signal, request_callback: (request) => showSending(message, request) });
export const queue = new MessageQueue(ask, { started, answered, failed, idle });

const compose = new Compose((texts) => {
  const fresh = texts.map((text) => newMessage({ kind: 'Yours', text }));
  state.messages.push(...fresh);
  sort(fresh, { first: true });
  return fresh;
});

/** Sorts `some` of the messages. While no model is loaded they wait for one. */
export function sort(some, options) {
  if (page.state !== 'loading' && page.state !== 'error') {
    setPhase(some.length > 0 ? 'sorting' : envelopes().length > 0 ? 'done' : 'ready');
    queue.add(some, options);
  }
  repaint();
}

/** Sorts all messages again; after a failed load, loads first. */
export function sortAgain() {
  state.failures = 0;
  state.messages.forEach(resetMessage);
  if (page.state === 'error') void reload();
  else sort(state.messages);
}

export function repaint() {
  drawRows();
  refresh();
}

export const refresh = () => drawTotals(queue.open);

function started(message) {
  Object.assign(message, { asking: true, error: undefined, host: remote.host, requests: [] });
  list.show(message, view());
}

function answered(message, envelope) {
  state.failures = 0;
  // The local label is shown next to the remote's.
  if (message.envelope?.route === 'local') message.before = message.envelope.output.label;
  Object.assign(message, { envelope, asking: false });
  state.spent.tokens += envelope.usage?.total_tokens ?? 0;
  state.spent.here_ms += envelope.local_latency_ms;
  state.spent.there_ms += envelope.remote_latency_ms ?? 0;
  if (envelope.device.kind !== page.device) deviceLost(envelope.device);
  showDevice(envelope.device);
  list.show(message, view());
  list.place(message);
  ended(message);
}

/** Sorting continues on the other device. A retry lets go of the cascade first: all that share a lost device share its loss. */
function deviceLost(report) {
  showProblem({ kind: 'device-lost', message: `Sorting continues. ${deviceWords(report)}` }, async () => {
    setPhase('loading');
    await queue.stop();
    await release();
    await reload();
  });
}

/** Lets go of the cascade in use. */
export async function release() {
  const old = state.cascade;
  state.cascade = undefined;
  await old?.dispose().catch(reportError);
}

function failed(message, error) {
  Object.assign(message, { error, asking: false, mayHaveLeft: message.requests.length > 0 });
  list.show(message, view());
  ended(message);
  if (error.kind === 'cancelled' || error.kind === 'invalid-input') return;
  showProblem(error, sortAgain);
  state.failures += 1;
  // A model that fails three times in a row will fail for the next message too.
  if (state.failures >= 3) void queue.stop();
}

function ended(message) {
  compose.ended(message, threshold(), view().remoteOn);
  refresh();
}

function idle() {
  delete page.burner;
  refresh();
  void usage.draw().catch(reportError);
  if (page.state !== 'sorting') return;
  compose.idle();
  setPhase('done');
  announce(`Done. ${outcome(tally(envelopes(), threshold()))}`);
}
