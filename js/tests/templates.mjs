// The conversations of `tests/golden/templates`, as variables of chat templates, and what is made of them.
import { readFileSync } from 'node:fs';
import { renderChatTemplate } from '../modules/worker/chat-template.js';

const GOLDEN = new URL('../../tests/golden/templates/', import.meta.url);
/** The clock of `tests/golden/templates/make.py`. */
const NOW = new Date(2024, 6, 6, 15, 4, 9);
const REFUSED = 'The chat template refuses the messages: ';
/** What marks the end of a message that is to be continued, in transformers too. A template may trim the blank. */
const CONTINUE_TAG = 'CONTINUE_FINAL_MESSAGE_TAG ';

/** The special tokens of templates that come without a tokenizer. */
const TOKENS = { bos_token: '<s>', eos_token: '</s>', pad_token: '<pad>', unk_token: '<unk>' };

/** A golden file's text. */
export function golden(name) {
  return readFileSync(new URL(name, GOLDEN), 'utf8');
}

export const CONVERSATIONS = JSON.parse(golden('conversations.json'));

/** What `template` makes of a conversation: its `text`, the words in which it was `raised`, or how it `fails`. */
export function rendered(template, conversation, tokens = TOKENS) {
  const { name: _name, messages, continue_final_message: continued, ...variables } = conversation;
  const given = messages.map(message);
  const last = given.at(-1);
  const content = last.content;
  if (continued) last.content += CONTINUE_TAG;
  try {
    const context = { tools: null, documents: null, ...tokens, ...variables, messages: given };
    const text = renderChatTemplate(template, context, NOW);
    return { text: continued ? upTo(content, text) : text };
  } catch (error) {
    if (error.name !== 'PilotLightError') throw error;
    return error.message.startsWith(REFUSED)
      ? { raised: error.message.slice(REFUSED.length) }
      : { fails: `${error.kind}: ${error.message}` };
  }
}

/** A message without fields that are null, and its reasoning under the names that templates know. */
function message(fields) {
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
  return given.reasoning_content === undefined ? given : { thinking: given.reasoning_content, ...given };
}

function upTo(content, text) {
  const end = text.lastIndexOf(CONTINUE_TAG.trim());
  if (end < 0 || !text.includes(content.trim())) return undefined;
  return text.startsWith(CONTINUE_TAG, end) ? text.slice(0, end) : text.slice(0, end).trimEnd();
}

/** Whether it is what is expected. Where that fails, or a continued message is not there, the words may be any. */
export function isExpected(got, expected) {
  if (expected.fails !== undefined) return got.fails !== undefined || got.text === undefined;
  return got.text === expected.text && got.raised === expected.raised;
}
