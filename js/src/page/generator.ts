// Models that generate text: loading, and replies that grow.
import type { GenerateArgs, Generated } from '../protocol/generation.js';
import type { RequestOptions } from '../protocol/messages.js';
import { withController } from '../shared/abort.js';
import { atInput, invalidInput } from '../shared/errors.js';
import type { GenerationPrompt } from '../types.js';
import { Handle } from './handle.js';
import { generatorModel, type LoadingOptions } from './load-options.js';
import { type TextStream, textStream } from './text-stream.js';

/** A loaded model that generates text. */
export class Generator {
  readonly #running = new Set<AbortController>();

  private constructor(readonly handle: Handle) {}

  /** Loads the checkpoint or the ONNX file in a folder, or a GGUF file, of which `model` may be the first part. */
  static async load(model: string, options: LoadingOptions): Promise<Generator> {
    return new Generator(await Handle.load({ generator: generatorModel(model, options) }, options));
  }

  /** The device in use. */
  get device(): Handle['device'] {
    return this.handle.device;
  }

  /** What the model reported when it was loaded. */
  get info(): Handle['info'] {
    return this.handle.info;
  }

  /** One call of the owner's, which may make several replies one after the other. */
  call<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.handle.call(signal, () =>
      withController(signal, async (controller) => {
        this.#running.add(controller);
        try {
          return await work(controller.signal);
        } finally {
          this.#running.delete(controller);
        }
      }),
    );
  }

  /** One call of the owner's, which does `work` for each of `inputs`, one after the other. */
  each<I, T>(
    signal: AbortSignal | undefined,
    inputs: I[],
    work: (input: I, signal: AbortSignal) => Promise<T>,
    many = inputs.length > 1,
  ): Promise<T[]> {
    return this.call(signal, async (ended) => {
      const results: T[] = [];
      for (const [index, input] of inputs.entries()) {
        try {
          results.push(await work(input, ended));
        } catch (thrown) {
          throw many ? atInput(thrown, index) : thrown;
        }
      }
      return results;
    });
  }

  /** One call of the owner's, as a stream of the texts that `work` emits. */
  stream<T>(
    signal: AbortSignal | undefined,
    work: (emit: (text: string) => void, signal: AbortSignal) => Promise<T>,
  ): TextStream<T> {
    return textStream((emit, left) =>
      this.call(signal, (ended) =>
        withController(ended, (controller) => {
          left.addEventListener('abort', () => controller.abort(left.reason), { once: true });
          return work(emit, controller.signal);
        }),
      ),
    );
  }

  /** The reply to a prompt. */
  reply(
    prompt: GenerationPrompt,
    options: GenerateArgs['options'],
    signal: AbortSignal,
    onPiece?: RequestOptions['onPiece'],
  ): Promise<Generated> {
    return this.handle.request('generate', { prompt, options }, signal, onPiece);
  }

  /** Ends what is running, and frees the model. */
  dispose(): Promise<void> {
    for (const controller of this.#running) controller.abort(invalidInput('This model was disposed of.'));
    return this.handle.dispose();
  }
}
