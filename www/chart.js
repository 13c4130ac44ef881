// Charts as SVG, without a library: bars, a curve, and ranges on a logarithmic axis. Each has its text for screen readers.
import { svgElement } from './dom.js';

/** The size and the margins, in units of the drawing. */
const SIZE = { width: 360, height: 190 };
const MARGIN = { top: 12, right: 14, bottom: 34, left: 44 };
const INNER = { width: SIZE.width - MARGIN.left - MARGIN.right, height: SIZE.height - MARGIN.top - MARGIN.bottom };

const text = (x, y, words, attributes = {}) => svgElement('text', { x, y, ...attributes }, words);
const line = (x1, y1, x2, y2, name) => svgElement('line', { x1, y1, x2, y2, class: name });
const x = (part) => MARGIN.left + part * INNER.width;
const y = (part) => MARGIN.top + (1 - part) * INNER.height;

/** Puts `parts` into `svg`, with `words` as its accessible name. */
function show(svg, words, parts, height = SIZE.height) {
  svg.setAttribute('viewBox', `0 0 ${SIZE.width} ${height}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', words);
  svg.replaceChildren(...parts);
}

/** Horizontal grid lines with labels; `marks` are [share of the height, label]. */
const across = (marks) =>
  marks.flatMap(([part, words]) => [
    line(x(0), y(part), x(1), y(part), 'grid'),
    text(x(0) - 6, y(part) + 4, words, { class: 'end' }),
  ]);
/** Labels below the axis; `marks` are [share of the width, label]. Labels at the edges stay inside. */
const below = (marks) =>
  marks.map(([part, words]) =>
    text(x(part), y(0) + 16, words, { class: part >= 1 ? 'end' : part <= 0 ? '' : 'middle' }),
  );

/**
 * Stacked bars.
 *
 * @param {SVGElement} svg
 * @param {{ words: string, bars: { pieces: [string, number][] }[], ends: [string, string] }} what `pieces` are CSS classes with their counts, from below.
 */
export function bars(svg, { words, bars, ends }) {
  const sum = ({ pieces }) => pieces.reduce((sum, [, count]) => sum + count, 0);
  const most = Math.max(1, ...bars.map(sum));
  const step = INNER.width / Math.max(bars.length, 12);
  const drawn = bars.flatMap(({ pieces }, i) => {
    let from = 0;
    return pieces
      .filter(([, count]) => count > 0)
      .map(([name, count]) => {
        const [top, bottom] = [y((from + count) / most), y(from / most)];
        from += count;
        return svgElement('rect', {
          class: name,
          x: x(0) + i * step + step * 0.1,
          y: top,
          width: step * 0.8,
          height: Math.max(bottom - top - 0.5, 0.5),
        });
      });
  });
  const end = Math.min(1, (bars.length * step) / INNER.width);
  show(svg, words, [
    ...across([
      [0, '0'],
      [1, `${most}`],
    ]),
    ...drawn,
    ...(bars.length > 0 ? below([[0, ends[0]], ...(end > 0.5 ? [[end, ends[1]]] : [])]) : []),
  ]);
}

/**
 * A curve with a marked point.
 *
 * @param {SVGElement} svg
 * @param {{ words: string, points: [number, number][], mark?: [number, number], limit?: number, axis: string, ends?: [string, string] }} what All values are in [0, 1]; the vertical axis ends above the highest.
 */
export function curve(svg, { words, points, mark, limit, axis, ends = ['0%', '100%'] }) {
  const highest = Math.max(...points.map(([, risk]) => risk), limit ?? 0, 0.01);
  // The next round number.
  const top = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1].find((round) => round >= highest) ?? 1;
  const at = ([across, up]) => `${x(across)},${y(up / top)}`;
  const percent = (part) => `${Math.round(part * 1000) / 10}%`;
  show(svg, words, [
    ...across([
      [0, '0%'],
      [0.5, percent(top / 2)],
      [1, percent(top)],
    ]),
    ...below([
      [0, ends[0]],
      [0.5, axis],
      [1, ends[1]],
    ]),
    ...(limit === undefined ? [] : [line(x(0), y(limit / top), x(1), y(limit / top), 'limit')]),
    svgElement('polyline', { class: 'curve', points: points.map(at).join(' ') }),
    ...(mark === undefined
      ? []
      : [
          line(x(mark[0]), y(0), x(mark[0]), y(1), 'mark'),
          svgElement('circle', { class: 'mark', cx: x(mark[0]), cy: y(mark[1] / top), r: 5 }),
        ]),
  ]);
}

/** The height of a row with its label. */
const ROW = 44;

/**
 * Ranges in rows on a logarithmic axis: they differ by orders of magnitude.
 *
 * @param {SVGElement} svg
 * @param {{ words: string, rows: { name: string, label: string, low: number, high: number, caption: string }[], unit: (power: number) => string }} what
 */
export function ranges(svg, { words, rows, unit }) {
  const [left, width] = [10, SIZE.width - 20];
  const positive = rows.filter(({ high }) => high > 0);
  const from = Math.floor(Math.log10(Math.min(...positive.map(({ low }) => low))));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...positive.map(({ high }) => high)))));
  const position = (value) => left + ((Math.log10(value) - from) / (to - from)) * width;
  const height = rows.length * ROW + 26;
  const step = Math.ceil((to - from) / 5);
  const powers = Array.from({ length: to - from + 1 }, (_, i) => from + i).filter(
    (power) => (power - from) % step === 0,
  );
  show(
    svg,
    words,
    [
      ...powers.flatMap((power) => [
        line(position(10 ** power), 4, position(10 ** power), height - 22, 'grid'),
        text(position(10 ** power), height - 8, unit(power), {
          class: power === from ? '' : power === to ? 'end' : 'middle',
        }),
      ]),
      ...rows.flatMap(({ name, label, low, high, caption }, i) => [
        text(left, i * ROW + 16, label, { class: 'label' }),
        text(left + width, i * ROW + 16, caption, { class: 'end' }),
        ...(high > 0
          ? [
              svgElement('rect', {
                class: name,
                x: position(low),
                y: i * ROW + 22,
                width: Math.max(position(high) - position(low), 2),
                height: 12,
                rx: 3,
              }),
            ]
          : []),
      ]),
    ],
    height,
  );
}
