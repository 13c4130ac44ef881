import { bars, curve, ranges } from './chart.js';
import { count, many, percent } from './text.js';

const $ = (id) => document.getElementById(id);
const dates = new Intl.DateTimeFormat('en-GB', { dateStyle: 'short', timeStyle: 'short' });
const digits = new Intl.NumberFormat('en-GB', { maximumSignificantDigits: 2 });
/** As many bars as can be told apart. */
const MOST_BARS = 48;

/** What answers have taken: the page's ledger as three charts, a line about the texts, and files of it. */
export class Books {
  #turn = 0;
  #summary;

  /** @param {() => object | undefined} cascade The one in use. */
  constructor(cascade) {
    this.cascade = cascade;
    const save = (id, kind, name, words) => $(id).addEventListener('click', async () => download(await words(this.cascade().ledger), kind, name));
    save('books-csv', 'text/csv', 'pilot-light.csv', (ledger) => ledger.toCSV());
    save('books-json', 'application/json', 'pilot-light.json', (ledger) => ledger.toJSON());
    $('books-clear').addEventListener('click', async () => {
      await this.cascade().ledger.clear();
      await this.draw();
    });
  }

  /** Reads the ledger and draws it; one that is overtaken by another is forgotten. */
  async draw() {
    const turn = ++this.#turn;
    const summary = await this.cascade()?.ledger.summary();
    if (turn !== this.#turn || summary === undefined) return;
    this.#summary = summary;
    for (const id of ['books-csv', 'books-json', 'books-clear']) $(id).disabled = summary.spans.length === 0;
    $('books').dataset.answers = summary.total.local.tally.answers + summary.total.remote.tally.answers;
    this.#routes(summary);
    this.#energy(summary);
    $('books-watch').textContent = watchWords(summary);
    $('books-kept').textContent = keptWords(summary);
  }

  #routes({ total, spans }) {
    const shown = spans.slice(-MOST_BARS);
    const pieces = ({ local, remote }) => [['stayed', local.tally.answers - local.tally.degraded], ['unsure', local.tally.degraded], ['left', remote.tally.answers]];
    const { local, remote } = total;
    const words = `${many(local.tally.answers, 'answer')} came from here, ${count(local.tally.degraded)} of them unsure, and ${count(remote.tally.answers)} from elsewhere.`;
    const ends = shown.length > 0 ? [dates.format(shown[0].from_ms), dates.format(shown.at(-1).from_ms)] : ['', ''];
    bars($('books-routes'), { words: `Answers over time, by where they came from. ${words}`, bars: shown.map(({ routes }) => ({ pieces: pieces(routes) })), ends });
    $('books-routes-words').textContent = words;
  }

  #energy({ total, without, basis }) {
    const { local, remote, checks } = total;
    const here = sum(local.energy_j.local, remote.energy_j.local);
    const there = sum(local.energy_j.remote, remote.energy_j.remote, checks.energy_j.remote);
    const row = (name, label, { low, high }) => ({ name, label, low, high, told: high > 0 ? range(low, high) : 'nothing' });
    const rows = [row('stayed', 'With both, here', here), row('left', 'With both, elsewhere', there), ...(without ? [row('unsure', 'If all were asked elsewhere', without.energy_j)] : [])];
    const chart = $('books-energy');
    chart.toggleAttribute('hidden', here.high === 0);
    if (here.high > 0) ranges(chart, { words: `Energy. ${rows.map(({ label, told }) => `${label}: ${told}`).join('. ')}.`, rows, unit: joules });
    $('books-energy-words').textContent = costWords(total, without);
    $('books-local').textContent = `Here: ${basis.local.boundary}. From ${basis.local.source}.`;
    $('books-remote').textContent = `Elsewhere: ${basis.remote.boundary}. From ${basis.remote.source}.`;
  }

  /**
   * Draws what other thresholds would bring.
   *
   * @param {{ confidence: number, correct: boolean | undefined }[]} examples Of one that was sent it is not known what would have been answered here.
   * @param {number} threshold
   */
  risk(examples, threshold) {
    const points = riskCoverage(examples);
    $('books-risk').toggleAttribute('hidden', points.length < 2);
    if (points.length < 2) {
      $('books-risk-words').textContent = 'The sample messages have to be sorted here first.';
      return;
    }
    const local = examples.filter(({ confidence }) => confidence >= threshold);
    const wrong = local.filter(({ correct }) => correct === false).length;
    const unknown = local.filter(({ correct }) => correct === undefined).length;
    const mark = [local.length / examples.length, local.length > 0 ? wrong / local.length : 0];
    const words = `At ${Math.round(threshold * 100)}%, ${count(local.length)} of ${count(examples.length)} stay here, and ${count(wrong)} of those ${wrong === 1 ? 'is' : 'are'} wrong${unknown > 0 ? `, not counting ${count(unknown)} that ${unknown === 1 ? 'was' : 'were'} sent` : ''}.`;
    curve($('books-risk'), { words: `Wrong among what stays here, for the part that stays. ${words}`, points, mark, axis: 'stays here' });
    $('books-risk-words').textContent = `${words} So few examples promise nothing: the package calibrates on yours.`;
  }
}

/** The part that stays and the part of it that is wrong, from the strictest threshold down to where it is not known. */
export function riskCoverage(examples) {
  const sorted = [...examples].sort((a, b) => b.confidence - a.confidence);
  const unknown = sorted.findIndex(({ correct }) => correct === undefined);
  let wrong = 0;
  return sorted.slice(0, unknown < 0 ? sorted.length : unknown).flatMap(({ confidence, correct }, i) => {
    wrong += correct ? 0 : 1;
    // No threshold divides equal ones.
    return sorted[i + 1]?.confidence === confidence ? [] : [[(i + 1) / sorted.length, wrong / (i + 1)]];
  });
}

const sum = (...ranges) => ranges.reduce((all, range) => ({ low: all.low + (range?.low ?? 0), high: all.high + (range?.high ?? 0) }), { low: 0, high: 0 });

/** `3 to 40 J`, `110 mJ to 18 J`. */
function range(low, high) {
  const [from, to] = [low, high].map((value) => (value < 1 ? [1e-3, 'mJ'] : value < 1000 ? [1, 'J'] : [1000, 'kJ']));
  return `${digits.format(low / from[0])}${from[1] === to[1] ? '' : ` ${from[1]}`} to ${digits.format(high / to[0])} ${to[1]}`;
}

function joules(power) {
  const [divisor, unit] = power < -3 ? [-6, 'µJ'] : power < 0 ? [-3, 'mJ'] : power < 3 ? [0, 'J'] : [3, 'kJ'];
  return `${10 ** (power - divisor)} ${unit}`;
}

function costWords({ local, remote, checks }, without) {
  const told = [local, remote, checks].map(({ tally }) => tally);
  const tokens = told.reduce((sum, { total_tokens }) => sum + total_tokens, 0);
  const usd = told.reduce((sum, tally) => sum + tally.usd, 0);
  if (without === undefined) return 'Nothing that counts its tokens was asked elsewhere yet, so there is nothing to compare with.';
  const cost = usd > 0 ? `${tokens} tokens and $${usd.toFixed(4)}` : `${count(tokens)} tokens`;
  const all = without.usd ? ` and $${without.usd.toFixed(4)}` : '';
  const factor = without.answers / without.from;
  return `${cost} elsewhere. Had all ${many(without.answers, 'answer')} been asked there, about ${count(tokens * factor)} tokens${all}: an estimate, from ${many(without.from, 'answer')}.`;
}

/** Whether the texts are still like the examples, and how often the remote agrees, in one line. */
function watchWords({ watch, agreement }) {
  const agreed = agreement === undefined ? '' : ` The remote agreed with ${count(agreement.agreed)} of ${count(agreement.checked)} sure answers that it was asked about (95%: ${percent(agreement.low)} to ${percent(agreement.high)}).`;
  if (watch === undefined) return `This model was not calibrated, so nobody can say whether your texts are like its examples.${agreed}`;
  if (watch.answers === 0) return `No answer yet to compare with the calibration.${agreed}`;
  const rates = `${percent(watch.deferral_rate)} of ${many(watch.answers, 'answer')} were below the threshold, where ${percent(watch.expected_deferral_rate)} were to be expected`;
  const verdict = watch.doubtful ? 'Your texts are not like those of the calibration: what its threshold promises has become doubtful.' : 'Nothing speaks against your texts being like those of the calibration.';
  return `${verdict} ${rates}.${agreed}`;
}

function keptWords({ kept, passedOver, fault }) {
  const strange = passedOver > 0 ? ` ${many(passedOver, 'record')} could not be read and ${passedOver === 1 ? 'was' : 'were'} passed over.` : '';
  return (kept ? 'Kept in this browser, for this model: counts and sums, never texts.' : `Only kept until you close this page (${fault}).`) + strange;
}

function download(words, type, name) {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(new Blob([words], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
