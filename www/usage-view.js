// The usage ledger as charts and text: routes, energy, risk and drift; and as files to save.
import { bars, curve, ranges } from './chart.js';
import { $ } from './dom.js';
import { download } from './files-to-save.js';
import { count, many, percent } from './text.js';

const dates = new Intl.DateTimeFormat('en-GB', { dateStyle: 'short', timeStyle: 'short' });
const digits = new Intl.NumberFormat('en-GB', { maximumSignificantDigits: 2 });
/** More bars than this could not be seen apart. */
const MAX_BARS = 48;

export class UsageView {
  #call = 0;

  /** @param {() => object | undefined} cascade Gives the cascade in use. */
  constructor(cascade) {
    this.cascade = cascade;
    const save = (id, type, name, content) =>
      $(id).addEventListener('click', async () => download(await content(this.cascade().ledger), type, name));
    save('usage-csv', 'text/csv', 'pilot-light.csv', (ledger) => ledger.toCSV());
    save('usage-json', 'application/json', 'pilot-light.json', (ledger) => ledger.toJSON());
    $('usage-clear').addEventListener('click', async () => {
      await this.cascade().ledger.clear();
      await this.draw();
    });
  }

  /** Reads the ledger and draws it. The result of an earlier call is dropped. */
  async draw() {
    const call = ++this.#call;
    const summary = await this.cascade()?.ledger.summary();
    if (call !== this.#call || summary === undefined) return;
    for (const id of ['usage-csv', 'usage-json', 'usage-clear']) $(id).disabled = summary.spans.length === 0;
    $('usage').dataset.answers = summary.total.local.tally.answers + summary.total.remote.tally.answers;
    this.#routes(summary);
    this.#energy(summary);
    $('usage-drift').textContent = driftWords(summary);
    $('usage-storage').textContent = storageWords(summary);
  }

  #routes({ total, spans }) {
    const shown = spans.slice(-MAX_BARS);
    const pieces = ({ local, remote }) => [
      ['stayed', local.tally.answers - local.tally.degraded],
      ['unsure', local.tally.degraded],
      ['left', remote.tally.answers],
    ];
    const { local, remote } = total;
    const words = `${many(local.tally.answers, 'answer')} came from here, ${count(local.tally.degraded)} of them unsure, and ${count(remote.tally.answers)} from elsewhere.`;
    const ends = shown.length > 0 ? [dates.format(shown[0].from_ms), dates.format(shown.at(-1).from_ms)] : ['', ''];
    bars($('usage-routes'), {
      words: `Answers over time, by where they came from. ${words}`,
      bars: shown.map(({ routes }) => ({ pieces: pieces(routes) })),
      ends,
    });
    $('usage-routes-words').textContent = words;
  }

  #energy({ total, counterfactual, basis }) {
    const { local, remote, checks } = total;
    const here = sum(local.energy_j.local, remote.energy_j.local);
    const there = sum(local.energy_j.remote, remote.energy_j.remote, checks.energy_j.remote);
    const row = (name, label, { low, high }) => ({
      name,
      label,
      low,
      high,
      caption: high > 0 ? range(low, high) : 'nothing',
    });
    const rows = [
      row('stayed', 'With both, here', here),
      row('left', 'With both, elsewhere', there),
      ...(counterfactual ? [row('unsure', 'If all were asked elsewhere', counterfactual.energy_j)] : []),
    ];
    const chart = $('usage-energy');
    chart.toggleAttribute('hidden', here.high === 0);
    if (here.high > 0)
      ranges(chart, {
        words: `Energy. ${rows.map(({ label, caption }) => `${label}: ${caption}`).join('. ')}.`,
        rows,
        unit: joules,
      });
    $('usage-energy-words').textContent = costWords(total, counterfactual);
    $('usage-local').textContent = `Here: ${basis.local.boundary}. From ${basis.local.source}.`;
    $('usage-remote').textContent = `Elsewhere: ${basis.remote.boundary}. From ${basis.remote.source}.`;
  }

  /**
   * Draws the risk-coverage curve of the sample messages: the error rate for each share that stays.
   *
   * @param {{ confidence: number, correct: boolean | undefined }[]} examples `correct` is undefined where the local answer is not known, because the message was sent at once.
   * @param {number} threshold
   */
  drawRisk(examples, threshold) {
    const points = riskCoverage(examples);
    $('usage-risk').toggleAttribute('hidden', points.length < 2);
    if (points.length < 2) {
      $('usage-risk-words').textContent = 'The sample messages must be sorted here first.';
      return;
    }
    const local = examples.filter(({ confidence }) => confidence >= threshold);
    const wrong = local.filter(({ correct }) => correct === false).length;
    const unknown = local.filter(({ correct }) => correct === undefined).length;
    const mark = [local.length / examples.length, local.length > 0 ? wrong / local.length : 0];
    const words = `At ${Math.round(threshold * 100)}%, ${count(local.length)} of ${count(examples.length)} stay here, and ${count(wrong)} of those ${wrong === 1 ? 'is' : 'are'} wrong${unknown > 0 ? `, not counting ${count(unknown)} that ${unknown === 1 ? 'was' : 'were'} sent` : ''}.`;
    curve($('usage-risk'), {
      words: `Error rate of what stays here, by the share that stays. ${words}`,
      points,
      mark,
      axis: 'stays here',
    });
    $('usage-risk-words').textContent =
      `${words} So few examples guarantee nothing: the package calibrates on your own.`;
  }
}

/** [coverage, risk] from the strictest threshold down to the first example whose correctness is not known. */
export function riskCoverage(examples) {
  const sorted = [...examples].sort((a, b) => b.confidence - a.confidence);
  const unknown = sorted.findIndex(({ correct }) => correct === undefined);
  let wrong = 0;
  return sorted.slice(0, unknown < 0 ? sorted.length : unknown).flatMap(({ confidence, correct }, i) => {
    wrong += correct ? 0 : 1;
    // No threshold separates equal confidences.
    return sorted[i + 1]?.confidence === confidence ? [] : [[(i + 1) / sorted.length, wrong / (i + 1)]];
  });
}

const sum = (...ranges) =>
  ranges.reduce((all, range) => ({ low: all.low + (range?.low ?? 0), high: all.high + (range?.high ?? 0) }), {
    low: 0,
    high: 0,
  });

/** `3 to 40 J`, `110 mJ to 18 J`. */
function range(low, high) {
  const [from, to] = [low, high].map((value) => (value < 1 ? [1e-3, 'mJ'] : value < 1000 ? [1, 'J'] : [1000, 'kJ']));
  return `${digits.format(low / from[0])}${from[1] === to[1] ? '' : ` ${from[1]}`} to ${digits.format(high / to[0])} ${to[1]}`;
}

function joules(power) {
  const [divisor, unit] = power < -3 ? [-6, 'µJ'] : power < 0 ? [-3, 'mJ'] : power < 3 ? [0, 'J'] : [3, 'kJ'];
  return `${10 ** (power - divisor)} ${unit}`;
}

function costWords({ local, remote, checks }, counterfactual) {
  const tallies = [local, remote, checks].map(({ tally }) => tally);
  const tokens = tallies.reduce((sum, { total_tokens }) => sum + total_tokens, 0);
  const usd = tallies.reduce((sum, tally) => sum + tally.usd, 0);
  if (counterfactual === undefined)
    return 'No answer from elsewhere has reported its tokens yet, so there is nothing to compare with.';
  const cost = usd > 0 ? `${tokens} tokens and $${usd.toFixed(4)}` : `${count(tokens)} tokens`;
  const all = counterfactual.usd ? ` and $${counterfactual.usd.toFixed(4)}` : '';
  const factor = counterfactual.answers / counterfactual.from;
  return `${cost} elsewhere. Had all ${many(counterfactual.answers, 'answer')} been asked there, about ${count(tokens * factor)} tokens${all}: an estimate, from ${many(counterfactual.from, 'answer')}.`;
}

/** The drift report, and how often the remote agrees. */
function driftWords({ drift, agreement }) {
  const agreed =
    agreement === undefined
      ? ''
      : ` The remote agreed with ${count(agreement.agreed)} of ${count(agreement.checked)} sure answers that it was asked about (95%: ${percent(agreement.low)} to ${percent(agreement.high)}).`;
  if (drift === undefined)
    return `This model was not calibrated, so there are no examples to compare your texts with.${agreed}`;
  if (drift.answers === 0) return `No answer yet to compare with the calibration.${agreed}`;
  const rates = `${percent(drift.deferral_rate)} of ${many(drift.answers, 'answer')} were below the threshold, ${percent(drift.expected_deferral_rate)} were expected`;
  const verdict = drift.doubtful
    ? 'Your texts differ from those of the calibration: the guarantee of its threshold is doubtful.'
    : 'No sign that your texts differ from those of the calibration.';
  return `${verdict} ${rates}.${agreed}`;
}

function storageWords({ persisted, skipped_records, fault }) {
  const skipped =
    skipped_records > 0
      ? ` ${many(skipped_records, 'record')} could not be read and ${skipped_records === 1 ? 'was' : 'were'} skipped.`
      : '';
  return (
    (persisted
      ? 'Stored in this browser, for this model: counts and sums, never texts.'
      : `Stored only until you close this page (${fault}).`) + skipped
  );
}
