// Built-in transport: asks the browser's own model by the Prompt API.
// Source: https://webmachinelearning.github.io/prompt-api/
import { Fault, type Feed, faulty, type Transport } from './transport.js';

interface Prompt {
  role: string;
  content: string;
}

interface Session {
  prompt(input: Prompt[], options: object): Promise<string>;
  promptStreaming(input: Prompt[], options: object): ReadableStream<string>;
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
 * the page to decide. It answers in the form of a server, so that the engine needs no second form.
 */
export const builtInTransport: Transport = async ({ body, stream }, { leaving, feed }, signal) => {
  const model = (globalThis as { LanguageModel?: LanguageModel }).LanguageModel;
  if (model === undefined) throw new Fault('unavailable', 'this browser has no model of its own');
  const availability = await faulty('unavailable', () => model.availability(TEXT));
  if (availability !== 'available') throw new Fault('unavailable', `the browser's own model is '${availability}'`);
  const { messages, response_format } = JSON.parse(body) as {
    messages: Prompt[];
    response_format: { json_schema: { schema: object } };
  };
  const [system, ...prompts] = messages;
  return faulty('network', async () => {
    const session = await model.create({ ...TEXT, initialPrompts: [system], signal });
    try {
      leaving();
      const options = { responseConstraint: response_format.json_schema.schema, signal };
      if (stream) {
        await feedWords(session.promptStreaming(prompts, options), feed);
        return { type: 'streamed' };
      }
      const content = await session.prompt(prompts, options);
      return { type: 'response', status: 200, body: JSON.stringify({ choices: [{ message: { content } }] }) };
    } finally {
      session.destroy();
    }
  });
};

/** Hands over the words of the model in the events that a server would send. */
async function feedWords(words: ReadableStream<string>, feed: Feed): Promise<void> {
  const encoder = new TextEncoder();
  const send = (choice: object): Promise<boolean> =>
    feed(encoder.encode(`data: ${JSON.stringify({ choices: [choice] })}\n\n`), false);
  const reader = words.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (await send({ delta: { content: part.value } })) return;
  }
  await send({ delta: {}, finish_reason: 'stop' });
  await feed(new Uint8Array(0), true);
}
