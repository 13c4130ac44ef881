// The model that some browsers have themselves, by the Prompt API: https://webmachinelearning.github.io/prompt-api/
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

/** What it is asked with, and what availability means. */
const TEXT = { expectedInputs: [{ type: 'text' }], expectedOutputs: [{ type: 'text' }] };

/**
 * The way to the browser's own model. It is asked only where it is ready: to fetch it, some gigabytes, is for the
 * page to decide. It answers in the form of a server, so that nothing behind it has to know.
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
        await pump(session.promptStreaming(prompts, options), feed);
        return { type: 'streamed' };
      }
      const content = await session.prompt(prompts, options);
      return { type: 'response', status: 200, body: JSON.stringify({ choices: [{ message: { content } }] }) };
    } finally {
      session.destroy();
    }
  });
};

/** Hands over what the model says in the events that a server would send. */
async function pump(words: ReadableStream<string>, feed: Feed): Promise<void> {
  const encoder = new TextEncoder();
  const tell = (choice: object): Promise<boolean> =>
    feed(encoder.encode(`data: ${JSON.stringify({ choices: [choice] })}\n\n`), false);
  const reader = words.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (await tell({ delta: { content: part.value } })) return;
  }
  await tell({ delta: {}, finish_reason: 'stop' });
  await feed(new Uint8Array(0), true);
}
