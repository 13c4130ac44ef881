// A local model behind OpenAI's interface: `client.chat.completions.create` and `client.completions.create`.
import { Generator } from '../page/generator.js';
import type { Disposable } from '../page/handle.js';
import type { PipelineOptions } from '../page/load-options.js';
import { createChatCompletion } from './chat.js';
import { createCompletion } from './completions.js';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionParams,
  Completion,
  CompletionParams,
  RequestOptions,
  Stream,
} from './types.js';

/** A model that is called as OpenAI's client is. */
export interface OpenAIClient extends Pick<Disposable, 'device' | 'dtype' | 'dispose'> {
  readonly chat: {
    readonly completions: {
      create(
        params: ChatCompletionParams & { stream: true },
        options?: RequestOptions,
      ): Promise<Stream<ChatCompletionChunk>>;
      create(
        params: ChatCompletionParams & { stream?: false | null },
        options?: RequestOptions,
      ): Promise<ChatCompletion>;
    };
  };
  readonly completions: {
    create(params: CompletionParams & { stream: true }, options?: RequestOptions): Promise<Stream<Completion>>;
    create(params: CompletionParams & { stream?: false | null }, options?: RequestOptions): Promise<Completion>;
  };
}

/**
 * Loads a model that generates text, and gives it the interface of OpenAI's client.
 *
 * @example
 * const client = await openai('/models/SmolLM2-135M-Instruct/model.gguf');
 * const { choices } = await client.chat.completions.create({ messages: [{ role: 'user', content: 'Hello!' }] });
 *
 * @param model What `pipeline('text-generation', …)` takes.
 * @throws PilotLightError As `pipeline` does.
 */
export async function openai(model: string, options: PipelineOptions = {}): Promise<OpenAIClient> {
  const generator = await Generator.load(model, options);
  const { handle } = generator;
  const chat = (params: ChatCompletionParams, given: RequestOptions = {}): Promise<unknown> =>
    createChatCompletion(generator, model, params, given);
  const completion = (params: CompletionParams, given: RequestOptions = {}): Promise<unknown> =>
    createCompletion(generator, model, params, given);
  return {
    get device() {
      return handle.device;
    },
    get dtype() {
      return handle.info.dtype;
    },
    chat: { completions: { create: chat } },
    completions: { create: completion },
    dispose: () => generator.dispose(),
  } as OpenAIClient;
}
