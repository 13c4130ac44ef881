// The section for learning: labels of one's own are learnt from what the remote says, and fewer messages are sent over time.
import { cascade } from 'pilot-light';
import { curve } from './chart.js';
import { download } from './files-to-save.js';
import { LazyModel } from './lazy-model.js';
import { POLICY, REDACTOR } from './models.js';
import { count, duration, many, percent } from './text.js';
import { onText } from './text-form.js';
import { remote, showSending } from './view.js';

const MODEL = '/models/all-MiniLM-L6-v2';
/** The delegated share is that of so many of the last messages. */
const WINDOW = 50;
/** Messages that are asked about at once. */
const TOGETHER = 4;

export function teach(section) {
  const { labels, clear, save } = section.elements;
  const open = ({ device, progress_callback }) =>
    cascade({
      local: { task: 'feature-extraction', model: MODEL, device },
      remote: remote.options,
      policy: POLICY,
      redactor: REDACTOR,
      learn: { labels: labelsOf(labels.value) },
      progress_callback,
    });
  const settings = () => JSON.stringify([labels.value, remote.on.checked, remote.address.value, remote.model.value]);
  const model = new LazyModel(section, open, settings);
  let history = new History();
  const draw = (report) => drawCharts(section, history, report);

  onText(section, model, 'There are no messages yet: paste some, one a line.', (value) => {
    if (remote.options === undefined) {
      model.show('idle', 'Somebody has to teach: turn on the remote first, under "The burner elsewhere".');
      return;
    }
    const messages = value.split('\n').filter((line) => line.trim() !== '');
    void model.use(async (classify, isCurrent) => {
      const requests = [];
      const request_callback = (request) => showSending({ requests }, request);
      for (let at = 0; at < messages.length && isCurrent(); at += TOGETHER) {
        const envelopes = await classify(messages.slice(at, at + TOGETHER), { request_callback });
        if (!isCurrent()) return '';
        const report = await classify.learning.report();
        history.add(envelopes, report);
        draw(report);
        model.show('working', `${count(at + envelopes.length)} of ${many(messages.length, 'message')}.`);
      }
      const [report, bill] = [await classify.learning.report(), await classify.ledger.summary()];
      save.disabled = clear.disabled = report.counters.labels === 0;
      return {
        words: `${reportWords(report)}${billWords(bill)}`,
        left: `${many(requests.length, 'request')} to ${remote.host}`,
      };
    });
  });
  save.addEventListener('click', () => {
    void model.use(async (classify) => {
      for (const [name, content] of Object.entries(await classify.learning.exportHead()))
        download(content, 'application/octet-stream', name);
      return `The head goes into a folder next to that of ${MODEL.split('/').at(-1)}, for pipeline('text-classification', …).`;
    });
  });
  clear.addEventListener('click', () => {
    void model.use(async (classify) => {
      await classify.learning.clear();
      history = new History();
      draw(await classify.learning.report());
      save.disabled = clear.disabled = true;
      return 'All that was learnt is forgotten.';
    });
  });
}

/** `spam: advertising, get rich` is a label with a description, in a line of its own. */
function labelsOf(lines) {
  const named = lines.split('\n').map((line) => line.split(/:(.*)/s));
  return named.flatMap(([label, description = '']) => {
    if (label.trim() === '') return [];
    return { label: label.trim(), ...(description.trim() !== '' && { description: description.trim() }) };
  });
}

/** What became of the messages, one after another. */
class History {
  #delegated = [];
  shares = [];
  risks = [];

  add(envelopes, { counters, risk }) {
    for (const { route, learning } of envelopes) this.#delegated.push(route === 'remote' || learning.checked ? 1 : 0);
    const last = this.#delegated.slice(-WINDOW);
    this.shares.push([counters.texts, last.reduce((sum, one) => sum + one, 0) / last.length]);
    if (risk !== undefined) this.risks.push([counters.texts, risk]);
  }
}

function drawCharts(section, { shares, risks }, { counters, alpha, promised }) {
  const [share, risk] = section.querySelectorAll('svg');
  const [shareWords, riskWords] = section.querySelectorAll('figcaption');
  const along = (points) => points.map(([at, value]) => [at / Math.max(counters.texts, 1), value]);
  const ends = ['0', count(counters.texts)];
  section.querySelector('.charts').hidden = false;
  shareWords.textContent = `${percent(shares.at(-1)?.[1] ?? 0)} of the last ${WINDOW} went elsewhere.`;
  curve(share, {
    words: `Delegated share over time. ${shareWords.textContent}`,
    points: along(shares),
    axis: 'messages',
    ends,
  });
  riskWords.textContent = promised
    ? `At most ${percent(alpha)} of what stays differs from the remote, tested; ${percent(risks.at(-1)?.[1] ?? 0)} so far.`
    : 'Nothing is promised yet: everything is delegated.';
  const words = `How often what stays differs from the remote, over time. ${riskWords.textContent}`;
  curve(risk, { words, points: along(risks), limit: alpha, axis: 'messages', ends });
}

/** What learning saved and cost, by the ledger, which goes on over visits and other labels. */
function billWords({ learning }) {
  if (learning === undefined) return '';
  const { saved, saved_requests, checks, training } = learning;
  const usd = saved?.usd > 0 ? `, about $${saved.usd.toFixed(4)}` : '';
  const paid = checks.tally.usd > 0 ? `, $${checks.tally.usd.toFixed(4)}` : '';
  const trained = `${duration(training.tally.local_ms)} of training`;
  return ` Learning saved ${many(saved_requests, 'request')}${usd}, and cost ${many(checks.tally.attempts, 'request')} of checks${paid} and ${trained}.`;
}

function reportWords({ counters, version, promised, persisted, fault }) {
  const { local, checked, labels } = counters;
  const head = promised ? `Head ${version} is in charge` : 'No head has been proven yet';
  const kept = persisted ? '' : ` It is not stored: ${fault}.`;
  return `${head}, after ${many(labels, 'label')}; ${many(local, 'message')} stayed here and ${count(checked)} of the sure ones were checked.${kept}`;
}
