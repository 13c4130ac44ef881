// Loading: replaces the cascade by the one that the controls ask for.
import { cascade } from 'pilot-light';
import { $ } from './dom.js';
import { POLICY, REDACTOR } from './models.js';
import { onReload, queue, refresh, release, repaint, sort } from './sorting.js';
import { page, resetMessage, state, threshold } from './state.js';
import { duration, megabytes } from './text.js';
import { announce, closeProblem, remote, setPhase, showDevice, showProblem, showProgress, usage } from './view.js';

/** Aborts the load in progress. */
let loading = new AbortController();

/**
 * Loads what the controls ask for, then sorts what is not sorted. After a failed load the cascade in use stays, unless the
 * remote was turned off: a cascade that could send is released before anything else.
 */
export async function load() {
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  const wanted = { model: $('model').value, device: $('device').value, remote: remote.options };
  closeProblem();
  setPhase('loading');
  page.remote = 'off';
  announce(`Loading the ${wanted.model} model.`);
  showProgress();
  repaint();
  await queue.stop();
  if (signal.aborted) return;
  try {
    const started = performance.now();
    let bytes = 0;
    const opening = open(wanted, signal, (info) => {
      if (signal.aborted || info.status !== 'progress_total') return;
      bytes = info.loaded;
      showProgress(info);
    });
    // Not before the new load has begun, so that it can reuse the old one's worker and device.
    if (state.used.remote && !wanted.remote) void release();
    const fresh = await opening;
    if (signal.aborted) return void fresh.dispose();
    void release();
    state.cascade = fresh;
    $('bytes').dataset.value = bytes;
    $('bytes').textContent = `${megabytes(bytes)} of model files loaded in ${duration(performance.now() - started)}.`;
    if (wanted.model !== state.used.model || wanted.device !== state.used.device) state.messages.forEach(resetMessage);
    state.used = wanted;
    // Rounded up: never below the model's own threshold.
    if (!state.thresholdChosen) $('threshold').value = Math.ceil(fresh.threshold * 100 - 1e-6) / 100;
    announce(`The ${wanted.model} model is ready.`);
    use();
  } catch (error) {
    if (!signal.aborted) loadFailed(error, wanted);
  }
}

function open({ model, device, remote }, signal, progress_callback) {
  return cascade({
    local: { task: 'text-classification', model: `/models/${model}`, device },
    ...(remote && { remote }),
    policy: { ...POLICY, ...(state.thresholdChosen && { threshold: threshold() }) },
    redactor: REDACTOR,
    progress_callback,
    signal,
  });
}

/** Shows the error, and goes on with the cascade in use if there is one. */
function loadFailed(error, wanted) {
  const retry = () => {
    choose($('model'), wanted.model);
    choose($('device'), wanted.device);
    return load();
  };
  const { cascade, used } = state;
  if (cascade === undefined) {
    $('loading').hidden = true;
    setPhase('error');
    announce('No model is loaded. Your messages are kept.');
    showProblem(error, retry);
    refresh();
    return;
  }
  choose($('model'), used.model);
  choose($('device'), used.device);
  remote.set(used.remote !== undefined);
  announce(`The ${used.model} model stays in use.`);
  showProblem(error, retry);
  use();
}

/** Sorts with the cascade in use. */
function use() {
  const { cascade, used, messages } = state;
  state.failures = 0;
  cascade.threshold = threshold();
  void usage.draw().catch(reportError);
  page.threshold = threshold();
  page.remote = used.remote ? 'on' : 'off';
  $('loading').hidden = true;
  showDevice(cascade.device);
  setPhase('ready');
  sort(messages.filter(({ envelope }) => envelope === undefined));
}

/** Selects `value`, if it is one of the options. */
export function choose(select, value) {
  if ([...select.options].some((option) => option.value === value)) select.value = value;
}

onReload(load);
