// Charts as SVG, small and without a library. Each gives a drawing and its words; what is seen is told as well.

const SVG = 'http://www.w3.org/2000/svg';
/** The drawing's own units, and the room around what is drawn. */
const SIZE = { width: 360, height: 190 };
const ROOM = { top: 12, right: 14, bottom: 34, left: 44 };
const INNER = { width: SIZE.width - ROOM.left - ROOM.right, height: SIZE.height - ROOM.top - ROOM.bottom };

/** An element of a drawing. */
function draw(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const text = (x, y, words, attributes = {}) => draw('text', { x, y, ...attributes }, words);
const line = (x1, y1, x2, y2, name) => draw('line', { x1, y1, x2, y2, class: name });
const x = (part) => ROOM.left + part * INNER.width;
const y = (part) => ROOM.top + (1 - part) * INNER.height;

/** Shows `parts` in `svg`, with `words` for those who do not see them. */
function show(svg, words, parts, height = SIZE.height) {
  svg.setAttribute('viewBox', `0 0 ${SIZE.width} ${height}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', words);
  svg.replaceChildren(...parts);
}

/** Lines across with their words, for the parts of the height in `marks`. */
const across = (marks) => marks.flatMap(([part, words]) => [line(x(0), y(part), x(1), y(part), 'grid'), text(x(0) - 6, y(part) + 4, words, { class: 'end' })]);
/** Words below, for the parts of the width in `marks`; those at the edges stay within them. */
const below = (marks) => marks.map(([part, words]) => text(x(part), y(0) + 16, words, { class: part >= 1 ? 'end' : part <= 0 ? '' : 'middle' }));

/**
 * Bars beside each other, each made of several pieces from below.
 *
 * @param {SVGElement} svg
 * @param {{ words: string, bars: { pieces: [string, number][] }[], ends: [string, string] }} what `pieces` are names of classes with their counts.
 */
export function bars(svg, { words, bars, ends }) {
  const sum = ({ pieces }) => pieces.reduce((sum, [, count]) => sum + count, 0);
  const most = Math.max(1, ...bars.map(sum));
  const step = INNER.width / Math.max(bars.length, 12);
  const drawn = bars.flatMap(({ pieces }, i) => {
    let from = 0;
    return pieces.filter(([, count]) => count > 0).map(([name, count]) => {
      const [top, bottom] = [y((from + count) / most), y(from / most)];
      from += count;
      return draw('rect', { class: name, x: x(0) + i * step + step * 0.1, y: top, width: step * 0.8, height: Math.max(bottom - top - 0.5, 0.5) });
    });
  });
  const end = Math.min(1, (bars.length * step) / INNER.width);
  show(svg, words, [...across([[0, '0'], [1, `${most}`]]), ...drawn, ...(bars.length > 0 ? below([[0, ends[0]], ...(end > 0.5 ? [[end, ends[1]]] : [])]) : [])]);
}

/**
 * A curve from left to right, with a mark on it.
 *
 * @param {SVGElement} svg
 * @param {{ words: string, points: [number, number][], mark?: [number, number], limit?: number, axis: string }} what In parts of one; the height is cut where the curve ends.
 */
export function curve(svg, { words, points, mark, limit, axis }) {
  const highest = Math.max(...points.map(([, risk]) => risk), limit ?? 0, 0.01);
  // A round number of hundredths above it.
  const top = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1].find((round) => round >= highest) ?? 1;
  const at = ([across, up]) => `${x(across)},${y(up / top)}`;
  const percent = (part) => `${Math.round(part * 1000) / 10}%`;
  show(svg, words, [
    ...across([[0, '0%'], [0.5, percent(top / 2)], [1, percent(top)]]),
    ...below([[0, '0%'], [0.5, axis], [1, '100%']]),
    ...(limit === undefined ? [] : [line(x(0), y(limit / top), x(1), y(limit / top), 'limit')]),
    draw('polyline', { class: 'curve', points: points.map(at).join(' ') }),
    ...(mark === undefined ? [] : [line(x(mark[0]), y(0), x(mark[0]), y(1), 'mark'), draw('circle', { class: 'mark', cx: x(mark[0]), cy: y(mark[1] / top), r: 5 })]),
  ]);
}

/** A row's height, and the place for its words. */
const ROW = 44;

/**
 * Ranges one below the other, on a scale on which each step is ten times the last: they differ too much for any other.
 *
 * @param {SVGElement} svg
 * @param {{ words: string, rows: { name: string, label: string, low: number, high: number, told: string }[], unit: (power: number) => string }} what
 */
export function ranges(svg, { words, rows, unit }) {
  const [left, width] = [10, SIZE.width - 20];
  const positive = rows.filter(({ high }) => high > 0);
  const from = Math.floor(Math.log10(Math.min(...positive.map(({ low }) => low))));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...positive.map(({ high }) => high)))));
  const place = (value) => left + ((Math.log10(value) - from) / (to - from)) * width;
  const height = rows.length * ROW + 26;
  const step = Math.ceil((to - from) / 5);
  const powers = Array.from({ length: to - from + 1 }, (_, i) => from + i).filter((power) => (power - from) % step === 0);
  show(
    svg,
    words,
    [
      ...powers.flatMap((power) => [line(place(10 ** power), 4, place(10 ** power), height - 22, 'grid'), text(place(10 ** power), height - 8, unit(power), { class: power === from ? '' : power === to ? 'end' : 'middle' })]),
      ...rows.flatMap(({ name, label, low, high, told }, i) => [
        text(left, i * ROW + 16, label, { class: 'label' }),
        text(left + width, i * ROW + 16, told, { class: 'end' }),
        ...(high > 0 ? [draw('rect', { class: name, x: place(low), y: i * ROW + 22, width: Math.max(place(high) - place(low), 2), height: 12, rx: 3 })] : []),
      ]),
    ],
    height,
  );
}
