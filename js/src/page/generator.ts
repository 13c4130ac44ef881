// Models that generate text: loading, and replies that grow.
import type { GenerateArgs, Generated } from '../protocol/generation.js';
import type { RequestOptions } from '../protocol/messages.js';
import { withController } from '../shared/abort.js';
import { baseAddress } from '../shared/base-address.js';
import { invalidInput } from '../shared/errors.js';
import type { GenerationPrompt } from '../types.js';
import { env } from './env.js';
import { Handle } from './handle.js';
import type { LoadingOptions } from './load-options.js';
import { resolveFile, resolveModel } from './resolve.js';

/** A loaded model that generates text. */
export class Generator {
  readonly #running = new Set<AbortController>();

  private constructor(readonly handle: Handle) {}

  /** Loads the checkpoint in a folder, or a GGUF file, of which `model` may be the first part. */
  static async load(model: string, options: LoadingOptions): Promise<Generator> {
    const { dtype, revision } = options;
    const isFile = typeof model === 'string' && model.endsWith('.gguf');
    const location = isFile
      ? resolveFile(model, revision, env, baseAddress())
      : { folder: resolveModel(model, revision, env, baseAddress()) };
    const generator = { ...location, model, options: dtype === undefined ? {} : { dtype } };
    return new Generator(await Handle.load({ generator }, options));
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
