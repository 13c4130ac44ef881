// What Python takes for white space: `str.isspace`, `str.strip` and `\s`. JavaScript's differs in a few characters.

/** One blank, for a regular expression. */
export const BLANK = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';

const IS_BLANK = new RegExp(BLANK);

/** `str.lstrip`. */
export function trimStart(text: string): string {
  let start = 0;
  while (start < text.length && IS_BLANK.test(text[start] as string)) start += 1;
  return text.slice(start);
}

/** `str.rstrip`. In time that grows linearly, which a regular expression's does not. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && IS_BLANK.test(text[end - 1] as string)) end -= 1;
  return text.slice(0, end);
}
