// The form of a section that does something with a text.
import { submitOnControlEnter } from './dom.js';

/**
 * Calls `use` with the text in the field `text` of `section`, or its first one, when it is submitted; where that is blank, `model` shows the words
 * `missing` and the field has the focus.
 */
export function onText(section, model, missing, use) {
  const text = section.elements?.text ?? section.querySelector('textarea');
  section.addEventListener('submit', (event) => {
    event.preventDefault();
    const { value } = text;
    if (value.trim() === '') {
      model.show('idle', missing);
      text.focus();
      return;
    }
    use(value);
  });
  submitOnControlEnter(text);
}

/** What is said where there is no text. */
export const NO_TEXT = 'There is no text yet: write or paste one.';
