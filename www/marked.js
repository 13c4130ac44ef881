// Texts with some of their parts marked.
import { textElement } from './dom.js';

/**
 * The text as nodes, with a mark for each of `spans` ({ start, end, note, title }), which are in its order; one that begins within
 * another is left out.
 */
export function markedText(text, spans) {
  const parts = [];
  let at = 0;
  for (const { start, end, note, title } of spans) {
    if (start < at) continue;
    const mark = document.createElement('mark');
    if (title) mark.title = title;
    mark.append(text.slice(start, end));
    if (note) mark.append(' ', textElement('small', note));
    parts.push(text.slice(at, start), mark);
    at = end;
  }
  return [...parts, text.slice(at)];
}
