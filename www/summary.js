// The outcome at the current threshold: the histogram, the counts and the totals.
import { $ } from './dom.js';
import { Plot } from './plot.js';
import { count, duration, many, median, outcome, promiseWords, tally } from './text.js';

export class Summary {
  #plot = new Plot($('plot'));

  /**
   * @param {object[]} answers The envelopes in the list.
   * @param {number} threshold
   * @param {{ requests, tokens, here_ms, there_ms }} spent Totals since the page was opened.
   * @param {object | null | undefined} calibration The model's calibration, if it has one.
   */
  draw(answers, threshold, spent, calibration) {
    const sums = tally(answers, threshold);
    const hundredth = Math.round(threshold * 100);
    this.#plot.draw(answers, threshold);
    $('threshold-panel').style.setProperty('--at', (threshold - 0.5) / 0.5);
    $('threshold-value').textContent = `${hundredth}%`;
    $('threshold').setAttribute(
      'aria-valuetext',
      `${hundredth}%: ${sums.stayed} of ${sums.answered} stay here, ${sums.unsure} would be delegated`,
    );
    $('outcome').textContent = outcome(sums);
    $('promise').textContent = promiseWords(calibration, threshold);
    $('uncalibrated').hidden = answers.every(({ calibrated }) => calibrated);

    figure('stayed', sums.stayed);
    figure('unsure', sums.unsure);
    figure('sent', sums.left + sums.failed, sums.failed ? `${count(sums.failed)} unanswered` : '');
    figure('tokens', spent.tokens);
    time(
      'here',
      spent.here_ms,
      answers.map((answer) => answer.local_latency_ms),
    );
    time(
      'there',
      spent.there_ms,
      answers.flatMap((answer) => answer.remote_latency_ms ?? []),
    );
  }

  /** Shows the send button, with the number of messages and their destination; or that there is no remote. */
  offer(on, toSend, host) {
    $('no-remote').hidden = on;
    $('delegate').hidden = !on;
    $('delegate').disabled = toSend === 0;
    $('delegate').textContent = toSend === 0 ? 'Nothing to send' : `Send ${many(toSend, 'message')} to ${host}`;
  }
}

function figure(name, value, note = '', words = count(value)) {
  const cell = $(`total-${name}`);
  cell.dataset.value = value;
  cell.firstElementChild.textContent = words;
  cell.lastElementChild.textContent = note;
}

function time(name, total, each) {
  figure(name, Math.round(total), each.length > 0 ? `${duration(median(each))} each` : '', duration(total));
}
