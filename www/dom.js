// Helpers for the DOM that several views share.

export const $ = (id) => document.getElementById(id);

/** An element with text in it. */
export function textElement(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}

/** An SVG element with its attributes and children. */
export function svgElement(name, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Submits the form of `field` on Control+Enter (on a Mac, also Command+Enter). */
export function submitOnControlEnter(field) {
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) field.form.requestSubmit();
  });
}
