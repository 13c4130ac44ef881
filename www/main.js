// Entry point: connects the controls, and starts with what the page's address asks for.
import { $ } from './dom.js';
import { choose, load } from './loading.js';
import { samples } from './sample-messages.js';
import { queue, refresh, repaint, sort, sortAgain } from './sorting.js';
import { newMessage, page, resetMessage, sendable, state, threshold, unsorted } from './state.js';
import { announce, closeProblem, list, remote, showProblem } from './view.js';

const query = new URLSearchParams(location.search);

$('model').addEventListener('change', load);
$('device').addEventListener('change', load);
remote.onSwitch = load;
$('threshold').addEventListener('input', () => {
  state.thresholdChosen = true;
  page.threshold = threshold();
  if (state.cascade) state.cascade.threshold = threshold();
  repaint();
});
$('delegate').addEventListener('click', () => sort(sendable()));
$('again').addEventListener('click', () => {
  const rest = unsorted();
  if (queue.open > 0) void queue.stop();
  else if (rest.length > 0 && page.state !== 'error') sort(rest);
  else sortAgain();
});
$('clear').addEventListener('click', async () => {
  await queue.stop();
  state.messages.forEach(resetMessage);
  state.messages = [];
  announce('The list is empty.');
  sort([]);
});
$('order').addEventListener('change', () => {
  list.order = $('order').value;
  list.arrange(state.messages);
});
$('dismiss').addEventListener('click', closeProblem);
addEventListener('error', ({ error, message }) => showProblem(error ?? new Error(message), load));
addEventListener('unhandledrejection', ({ reason }) => showProblem(reason, load));

/** How often the server is asked whether a model that it prepares is there, in milliseconds. */
const PREPARING_MS = 3000;

/** What the page's server says of the remote; other servers do not have the file. */
async function described() {
  try {
    return await (await fetch('/demo.json')).json();
  } catch {
    return {};
  }
}

/** Offers the remote of the page's server, once it is there; not where the user has turned on another meanwhile. */
async function offerRemote({ remote: offered, preparing }) {
  if (offered && !remote.on.checked) remote.offer(offered);
  remote.prepare(preparing);
  if (preparing) setTimeout(async () => offerRemote(await described()), PREPARING_MS);
}

async function start() {
  choose($('model'), query.get('model'));
  choose($('device'), query.get('device'));
  state.thresholdChosen = query.has('threshold');
  if (state.thresholdChosen) $('threshold').value = query.get('threshold');
  const limit = Number(query.get('limit') ?? samples.length);
  state.messages = samples.slice(0, limit >= 0 ? limit : samples.length).map(newMessage);
  refresh();
  await offerRemote(await described());
  const named = query.get('remote');
  if (named && named !== remote.address.value) remote.offer({ baseURL: named });
  // A link may name any address, but only the user may turn on one of another origin.
  if (named && remote.isOwn) remote.turn(true);
  else await load();
}

void start();
