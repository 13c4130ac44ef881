// image-to-text: the text in images.
import { type ImageInput, toPixels } from '../io/media.js';
import type { Disposable } from '../page/handle.js';
import type { ImageText, ImageToTextOptions } from '../types.js';
import { type CallOptions, type MediaTaskAdapter, perInput } from './adapter.js';

/** Options of `image-to-text`. */
export type ImageToTextCallOptions = CallOptions & Partial<ImageToTextOptions>;

/** Reads the text in images: all of it as `generated_text`, and each line with its score and the corners of its box. */
export interface ImageToTextPipeline extends Disposable {
  (image: ImageInput, options?: ImageToTextCallOptions): Promise<ImageText[]>;
  (images: ImageInput[], options?: ImageToTextCallOptions): Promise<ImageText[][]>;
}

export const imageToText: MediaTaskAdapter<'image-to-text', ImageToTextPipeline> = {
  name: 'image-to-text',
  read: toPixels,
  // White, and far smaller than images are: one of the usual size takes the CPU longer than there is time.
  measured: () =>
    [64, 192].map((side) => ({
      input: { data: new Uint8Array(4 * side * side).fill(255), width: side, height: side },
      options: { limit_side_len: side },
      elements: 3 * side * side,
      name: `${side} × ${side} pixels`,
    })),
  empty: [],
  // As transformers.js has it, the text of an image is a list of one.
  shape: (texts: ImageText[], many) =>
    perInput(
      texts.map((text) => [text]),
      many,
    ),
};
