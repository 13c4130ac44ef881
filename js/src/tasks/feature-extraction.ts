// feature-extraction: embeddings of texts.
import type { Disposable } from '../page/handle.js';
import type { Tensor } from '../page/tensor.js';
import type { Features, FeatureExtractionOptions as Options } from '../types.js';
import type { CallOptions, TextTaskAdapter } from './adapter.js';

/** Options of `feature-extraction`. */
export type FeatureExtractionOptions = CallOptions & Options;

/** Turns texts into vectors. */
export interface FeatureExtractionPipeline extends Disposable {
  (texts: string | string[], options?: FeatureExtractionOptions): Promise<Tensor<'float32'>>;
}

export const featureExtraction: TextTaskAdapter<'feature-extraction', FeatureExtractionPipeline> = {
  name: 'feature-extraction',
  empty: { dims: [0, 0], data: new Float32Array(0) } satisfies Features,
  shape: ({ dims, data }: Features): Tensor<'float32'> => ({ type: 'float32', dims: Array.from(dims), data }),
};
