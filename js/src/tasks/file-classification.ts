// file-classification: the type of a file's content.
import { type FileInput, toBytes } from '../io/media.js';
import type { Disposable } from '../page/handle.js';
import type { Classification, FileClassification, FileClassificationOptions as Options } from '../types.js';
import { type CallOptions, type MediaTaskAdapter, perInput } from './adapter.js';

/** Options of `file-classification`; `top_k` is 1 by default, and null gives all labels. */
export type FileClassificationOptions = CallOptions & Options;

/**
 * Tells the types of files. With the default `top_k` of 1 that is the answer, one for each file: `txt` or `unknown`
 * where the model is not sure enough of any other; with more, the model's own labels, the likeliest first.
 */
export interface FileClassificationPipeline extends Disposable {
  (file: FileInput, options?: FileClassificationOptions): Promise<Classification[]>;
  (files: FileInput[], options?: CallOptions & { top_k?: 1 }): Promise<Classification[]>;
  (files: FileInput[], options: FileClassificationOptions): Promise<Classification[][]>;
}

export const fileClassification: MediaTaskAdapter<'file-classification', FileClassificationPipeline> = {
  name: 'file-classification',
  read: toBytes,
  // It reads as much of every file.
  measured: () => [{ input: new Uint8Array(4096).fill(97), elements: 4096, name: '4096 bytes' }],
  defaults: { top_k: 1 },
  empty: [],
  // A single label is the answer, and not the label that the model would give if it were sure enough.
  shape: (files: FileClassification[], many, { top_k }: FileClassificationOptions) =>
    top_k === 1
      ? files.map(({ label, score }) => ({ label, score }))
      : perInput(
          files.map(({ labels }) => labels),
          many,
        ),
};
