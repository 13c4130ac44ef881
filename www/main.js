import { cascade } from 'pilot-light';
import { Books } from './usage-view.js';
import { List } from './message-list.js';
import { samples } from './sample-messages.js';
import { Own } from './compose.js';
import { Remote } from './remote.js';
import { Sorter } from './sorter.js';
import { Summary } from './summary.js';
import { count, deviceWords, duration, errorWords, many, megabytes, outcome, tally } from './text.js';

const $ = (id) => document.getElementById(id);
const page = document.body.dataset;
const query = new URLSearchParams(location.search);

/** Every message in the order in which it came: { id, kind, text, spam?, sentiment?, asking?, envelope?, error?, row? … }. */
let messages = [];
/** The model in use, and what it was loaded with: { model, device, remote }; undefined while there is none. */
let triage;
let used = {};
/** Aborts the load under way. */
let loading = new AbortController();
/** Whether the threshold is the user's; until then it is the model's own. */
let chosen = false;
/** Failures in a row that are not a message's own fault. */
let misfortunes = 0;
/** What has been spent since the page was opened, whatever became of the list. */
const spent = { requests: 0, tokens: 0, here_ms: 0, there_ms: 0 };

const list = new List($('messages'), $('row'));
const summary = new Summary();
const books = new Books(() => triage);
const remote = new Remote($('remote'), () => load());
const sorter = new Sorter((message, signal) => triage(message.text, { signal, request_callback: (request) => sending(message, request) }), { started, answered, failed, idle });
const own = new Own((texts) => {
  const fresh = texts.map((text) => newMessage({ kind: 'Yours', text }));
  messages.push(...fresh);
  sort(fresh, { first: true });
  return fresh;
});

/** The slider has hundredths; what the model asks for is kept to the last digit, without which it promises nothing. */
const threshold = () => (chosen || triage === undefined ? Number($('threshold').value) : triage.threshold);
const view = () => ({ threshold: threshold(), remoteOn: page.remote === 'on' });
const envelopes = () => messages.flatMap(({ envelope }) => envelope ?? []);
/** Those that a press of the button sends: below the threshold, not answered by the remote, not too long for it. */
const sendable = () =>
  messages.filter(({ envelope, asking }) => envelope?.route === 'local' && !asking && envelope.confidence < threshold() && envelope.reason !== 'too-long');

/** The sorted samples, with how sure the model was and whether it was right, as far as that is known. */
const examples = () =>
  messages.flatMap(({ envelope, before, [used.model]: right }) => {
    if (envelope === undefined || right === undefined) return [];
    const label = before ?? (envelope.route === 'local' ? envelope.output.label : undefined);
    return [{ confidence: envelope.confidence, correct: label && label === right }];
  });

/** Those that nobody has got round to, or that were stopped. */
const rest = () => messages.filter(({ envelope, error }) => !envelope && (!error || error.kind === 'cancelled'));

// ---- what the page tells

/** 'loading', 'ready', 'sorting', 'done' or 'error', for style and for tests. */
const setState = (state) => (page.state = state);
/** Said once, to those who see and to those who listen. */
const say = (words) => ($('status').textContent = words);

function problem(error, retry = load) {
  const { heading, message } = errorWords(error);
  $('problem-heading').textContent = heading;
  $('problem-message').textContent = message;
  $('retry').onclick = () => {
    closeProblem();
    void retry();
  };
  $('problem').hidden = false;
}

function closeProblem() {
  // The focus must not be lost with the button that had it.
  if ($('problem').contains(document.activeElement)) $('model').focus();
  $('problem').hidden = true;
}

/** Marks the rows anew, for another threshold or another remote. */
function repaint() {
  for (const message of messages) if (message.row) list.show(message, view());
  refresh();
}

function refresh() {
  const { open } = sorter;
  summary.draw(envelopes(), threshold(), spent, triage?.calibrations[0]);
  books.risk(examples(), threshold());
  summary.offer(page.remote === 'on', sendable().length, remote.host);
  $('counter').textContent = open > 0 ? `${count(messages.length - open)} of ${count(messages.length)}` : count(messages.length);
  $('again').textContent = open > 0 ? 'Stop' : rest().length > 0 ? 'Sort the rest' : 'Sort again';
  const waiting = messages.filter(({ row }) => row === undefined).length;
  $('stream-note').textContent = messages.length === 0 ? 'No messages. Write one of your own.' : waiting > 0 && open === 0 ? `${many(waiting, 'message')} not sorted yet.` : '';
}

function showDevice(report) {
  page.device = report.kind;
  $('device-words').textContent = deviceWords(report);
}

/** A request leaves the device: the one moment that must not go unseen. */
function sending(message, { url, body }) {
  message.requests.push({ url, body });
  spent.requests += 1;
  page.requests = spent.requests;
  page.burner = 'lit';
  $('sent-words').textContent = `${many(spent.requests, 'request')} to the remote`;
}

// ---- loading

/**
 * Loads what the controls ask for, then sorts what is not sorted. One that cannot be loaded leaves
 * the model in use in its place, but for a remote that was turned off: what could send is let go of first.
 */
async function load() {
  loading.abort();
  const { signal } = (loading = new AbortController());
  const wanted = { model: $('model').value, device: $('device').value, remote: remote.options };
  closeProblem();
  setState('loading');
  page.remote = 'off';
  say(`Loading the ${wanted.model} model.`);
  showProgress();
  repaint();
  await sorter.stop();
  if (signal.aborted) return;
  try {
    const started = performance.now();
    let bytes = 0;
    const opening = cascade({
      local: { task: 'text-classification', model: `/models/${wanted.model}`, device: wanted.device },
      ...(wanted.remote && { remote: wanted.remote }),
      policy: { privacy: 'redact', ...(chosen && { threshold: threshold() }) },
      redactor: '/models/rampart',
      progress_callback: (info) => {
        if (signal.aborted || info.status !== 'progress_total') return;
        bytes = info.loaded;
        showProgress(info);
      },
      signal,
    });
    // Not earlier, so that the new one finds the old one's worker and device still there.
    if (used.remote && !wanted.remote) void letGo();
    const fresh = await opening;
    if (signal.aborted) return void fresh.dispose();
    void letGo();
    triage = fresh;
    $('bytes').dataset.value = bytes;
    $('bytes').textContent = `${megabytes(bytes)} of model files loaded in ${duration(performance.now() - started)}.`;
    if (wanted.model !== used.model || wanted.device !== used.device) messages.forEach(unsort);
    used = wanted;
    // Never below what the model asks for.
    if (!chosen) $('threshold').value = Math.ceil(triage.threshold * 100 - 1e-6) / 100;
    say(`The ${wanted.model} model is ready.`);
    use();
  } catch (error) {
    if (signal.aborted) return;
    const retry = () => {
      choose($('model'), wanted.model);
      choose($('device'), wanted.device);
      return load();
    };
    if (triage === undefined) {
      $('loading').hidden = true;
      setState('error');
      say('There is no model in use. Your messages are kept.');
      problem(error, retry);
      refresh();
      return;
    }
    choose($('model'), used.model);
    choose($('device'), used.device);
    remote.set(used.remote !== undefined);
    say(`The ${used.model} model stays in use.`);
    problem(error, retry);
    use();
  }
}

/** Goes on with the model that is there. */
function use() {
  misfortunes = 0;
  triage.threshold = threshold();
  void books.draw().catch(reportError);
  page.threshold = threshold();
  page.remote = used.remote ? 'on' : 'off';
  $('loading').hidden = true;
  showDevice(triage.device);
  setState('ready');
  sort(messages.filter(({ envelope }) => envelope === undefined));
}

async function letGo() {
  const old = triage;
  triage = undefined;
  await old?.dispose().catch(reportError);
}

/** How far the load is; without `total` it has just begun. */
function showProgress(total) {
  if (total) {
    $('progress').value = total.progress;
    $('loading-words').textContent = `${megabytes(total.loaded)} of ${megabytes(total.total)}`;
    return;
  }
  $('loading').hidden = false;
  $('progress').removeAttribute('value');
  $('loading-words').textContent = 'Looking for the device and the files…';
}

// ---- sorting

/** Sorts `some` of the messages; while there is no model they wait for one. */
function sort(some, options) {
  if (page.state !== 'loading' && page.state !== 'error') {
    setState(some.length > 0 ? 'sorting' : envelopes().length > 0 ? 'done' : 'ready');
    sorter.add(some, options);
  }
  repaint();
}

function started(message) {
  Object.assign(message, { asking: true, error: undefined, host: remote.host, requests: [] });
  list.show(message, view());
}

function answered(message, envelope) {
  misfortunes = 0;
  // Kept to be shown beside the remote's.
  if (message.envelope?.route === 'local') message.before = message.envelope.output.label;
  Object.assign(message, { envelope, asking: false });
  spent.tokens += envelope.usage?.total_tokens ?? 0;
  spent.here_ms += envelope.local_latency_ms;
  spent.there_ms += envelope.remote_latency_ms ?? 0;
  if (envelope.device.kind !== page.device) lost(envelope.device);
  showDevice(envelope.device);
  list.show(message, view());
  list.place(message);
  ended(message);
}

/** The sorting goes on elsewhere. What shares the lost device shares its loss, so a new try begins without the model. */
function lost(report) {
  problem({ kind: 'device-lost', message: `The sorting goes on. ${deviceWords(report)}` }, async () => {
    setState('loading');
    await sorter.stop();
    await letGo();
    await load();
  });
}

function failed(message, error) {
  Object.assign(message, { error, asking: false, mayHaveLeft: message.requests.length > 0 });
  list.show(message, view());
  ended(message);
  if (error.kind === 'cancelled' || error.kind === 'invalid-input') return;
  problem(error, sortAgain);
  misfortunes += 1;
  // A model that stops again and again is not helped by the next message.
  if (misfortunes >= 3) void sorter.stop();
}

function ended(message) {
  own.ended(message, threshold(), view().remoteOn);
  refresh();
}

function idle() {
  delete page.burner;
  refresh();
  void books.draw().catch(reportError);
  if (page.state !== 'sorting') return;
  own.idle();
  setState('done');
  say(`Done. ${outcome(tally(envelopes(), threshold()))}`);
}

function sortAgain() {
  misfortunes = 0;
  messages.forEach(unsort);
  if (page.state === 'error') void load();
  else sort(messages);
}

function unsort(message) {
  message.row?.remove();
  for (const name of ['row', 'envelope', 'error', 'before', 'requests', 'painted', 'seen']) delete message[name];
}

// ---- what the user does

$('model').addEventListener('change', load);
$('device').addEventListener('change', load);
$('threshold').addEventListener('input', () => {
  chosen = true;
  page.threshold = threshold();
  if (triage) triage.threshold = threshold();
  repaint();
});
$('delegate').addEventListener('click', () => sort(sendable()));
$('again').addEventListener('click', () => {
  if (sorter.open > 0) void sorter.stop();
  else if (rest().length > 0 && page.state !== 'error') sort(rest());
  else sortAgain();
});
$('clear').addEventListener('click', async () => {
  await sorter.stop();
  messages.forEach(unsort);
  messages = [];
  say('The list is empty.');
  sort([]);
});
$('order').addEventListener('change', () => {
  list.order = $('order').value;
  list.arrange(messages);
});
$('dismiss').addEventListener('click', closeProblem);
addEventListener('error', ({ error, message }) => problem(error ?? new Error(message)));
addEventListener('unhandledrejection', ({ reason }) => problem(reason));

// ---- the start

let lastId = 0;
function newMessage(message) {
  return { id: ++lastId, ...message };
}

/** The remote that the page's server offers, if it does; any other server has no such file. */
async function offered() {
  try {
    return (await (await fetch('/demo.json')).json()).remote ?? {};
  } catch {
    return {};
  }
}

function choose(select, value) {
  if ([...select.options].some((option) => option.value === value)) select.value = value;
}

async function start() {
  choose($('model'), query.get('model'));
  choose($('device'), query.get('device'));
  chosen = query.has('threshold');
  if (chosen) $('threshold').value = query.get('threshold');
  const limit = Number(query.get('limit') ?? samples.length);
  messages = samples.slice(0, limit >= 0 ? limit : samples.length).map(newMessage);
  refresh();
  remote.offer(await offered());
  const named = query.get('remote');
  if (named) remote.offer({ baseURL: named });
  // A link may name any address, but one elsewhere is for the user alone to turn on.
  if (named && remote.isOwn) remote.turn(true);
  else await load();
}

void start();
