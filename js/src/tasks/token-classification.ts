// token-classification: entities in texts.
import type { Disposable } from '../page/handle.js';
import type { Entity, EntityGroup, TokenClassificationOptions as Options } from '../types.js';
import { type CallOptions, perInput, type TextTaskAdapter } from './adapter.js';

/** Options of `token-classification`. */
export type TokenClassificationOptions = CallOptions & Options;

/** Finds entities in texts; offsets are in UTF-16 code units, as in JavaScript's strings. */
export interface TokenClassificationPipeline extends Disposable {
  (text: string, options: TokenClassificationOptions & { aggregation_strategy: 'simple' }): Promise<EntityGroup[]>;
  (texts: string[], options: TokenClassificationOptions & { aggregation_strategy: 'simple' }): Promise<EntityGroup[][]>;
  (text: string, options?: TokenClassificationOptions): Promise<Entity[]>;
  (texts: string[], options?: TokenClassificationOptions): Promise<Entity[][]>;
}

export const tokenClassification: TextTaskAdapter<'token-classification', TokenClassificationPipeline, Options> = {
  name: 'token-classification',
  empty: [],
  shape: perInput,
};
