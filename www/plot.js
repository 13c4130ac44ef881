// A histogram of the confidences, over the threshold slider.
import { fateOf } from './text.js';

/** The range of the slider in hundredths; one column each. */
const FIRST = 50;
const LAST = 99;
/** Heights in pixels, of one message and of the plot. */
const BRICK = 6;
const TALLEST = 96;
const FATES = ['failed', 'left', 'unsure', 'stayed'];

/** One brick for each message, coloured by its fate. */
export class Plot {
  #columns = [];

  constructor(root) {
    for (let hundredth = FIRST; hundredth <= LAST; hundredth += 1) {
      const column = document.createElement('i');
      for (const fate of FATES) column.append(Object.assign(document.createElement('b'), { className: fate }));
      this.#columns.push(column);
    }
    root.append(...this.#columns);
    this.root = root;
  }

  draw(envelopes, threshold) {
    const counts = this.#columns.map(() => ({ stayed: 0, unsure: 0, left: 0, failed: 0 }));
    for (const envelope of envelopes) {
      const hundredth = Math.min(LAST, Math.max(FIRST, Math.floor(envelope.confidence * 100 + 1e-6)));
      counts[hundredth - FIRST][fateOf(envelope, threshold)] += 1;
    }
    const most = Math.max(1, ...counts.map((count) => count.stayed + count.unsure + count.left + count.failed));
    const brick = Math.min(BRICK, TALLEST / most);
    this.root.style.setProperty('--brick', `${brick}px`);
    // Bricks too thin to be seen apart are drawn without joints.
    this.root.style.setProperty('--joint', brick < BRICK / 2 ? '0px' : '1px');
    this.#columns.forEach((column, i) => {
      FATES.forEach((fate, j) => {
        column.children[j].style.height = `${counts[i][fate] * brick}px`;
      });
    });
  }
}
