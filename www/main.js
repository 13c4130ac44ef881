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

/** The remote that the page's server offers; other servers do not have the file. */
async function offered() {
  try {
    return (await (await fetch('/demo.json')).json()).remote ?? {};
  } catch {
    return {};
  }
}

async function start() {
  choose($('model'), query.get('model'));
  choose($('device'), query.get('device'));
  state.thresholdChosen = query.has('threshold');
  if (state.thresholdChosen) $('threshold').value = query.get('threshold');
  const limit = Number(query.get('limit') ?? samples.length);
  state.messages = samples.slice(0, limit >= 0 ? limit : samples.length).map(newMessage);
  refresh();
  remote.offer(await offered());
  const named = query.get('remote');
  if (named) remote.offer({ baseURL: named });
  // A link may name any address, but only the user may turn on one of another origin.
  if (named && remote.isOwn) remote.turn(true);
  else await load();
}

void start();
