// Built-in transport: asks the browser's own model by the Prompt API.
// Source: https://webmachinelearning.github.io/prompt-api/
import type { Message } from '../types.js';
import { Fault, type Feed, faulty, type Transport } from './transport.js';

interface Session {
  prompt(input: Message[], options: object): Promise<string>;
  promptStreaming(input: Message[], options: object): ReadableStream<string>;
  destroy(): void;
}

/** The part of `LanguageModel` that is used here; TypeScript does not know it yet. */
interface LanguageModel {
  availability(options: object): Promise<string>;
  create(options: object): Promise<Session>;
}

/** What is asked and answered, which availability depends on. */
const TEXT = { expectedInputs: [{ type: 'text' }], expectedOutputs: [{ type: 'text' }] };

/**
 * The transport to the browser's own model. It is asked only where it is ready: downloading it, some gigabytes, is for
 * the page to decide.
 */
export const builtInTransport: Transport = async ({ payload, stream }, { leaving, feed }, signal) => {
  if (!('prompt' in payload)) throw new Fault('unavailable', "the browser's own model takes a prompt, not a request");
  const model = (globalThis as { LanguageModel?: LanguageModel }).LanguageModel;
  if (model === undefined) throw new Fault('unavailable', 'this browser has no model of its own');
  const availability = await faulty('unavailable', () => model.availability(TEXT));
  if (availability !== 'available') throw new Fault('unavailable', `the browser's own model is '${availability}'`);
  const { messages, schema } = payload.prompt;
  const [system, ...prompts] = messages;
  return faulty('network', async () => {
    const session = await model.create({ ...TEXT, initialPrompts: [system], signal });
    try {
      leaving();
      const options = { responseConstraint: schema, signal };
      if (!stream) return { type: 'text', text: await session.prompt(prompts, options) };
      await feedWords(session.promptStreaming(prompts, options), feed);
      return { type: 'streamed' };
    } finally {
      session.destroy();
    }
  });
};

/** Hands over the words of the model as they come. */
async function feedWords(words: ReadableStream<string>, feed: Feed): Promise<void> {
  const encoder = new TextEncoder();
  const reader = words.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (await feed(encoder.encode(part.value), false)) break;
  }
  await feed(new Uint8Array(0), true);
}
