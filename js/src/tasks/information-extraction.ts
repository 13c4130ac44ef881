// information-extraction: texts into records under a JSON schema.
import type { Disposable } from '../page/handle.js';
import { invalidInput } from '../shared/errors.js';
import type { ExtractedRecord, RecordOptions } from '../types.js';
import type { CallOptions } from './adapter.js';

/** Options of `information-extraction`. */
export interface InformationExtractionOptions extends CallOptions, Partial<Omit<RecordOptions, 'schema'>> {
  /** The JSON schema of the records; as JSON where the order of properties with numbers as names counts. */
  schema: object | string;
}

/** The options of records in a cascade. */
export type RecordRunOptions = Partial<Omit<InformationExtractionOptions, 'signal'>>;

/** Reads records out of texts, whose fields have a confidence and a place in the text. */
export interface InformationExtractionPipeline extends Disposable {
  (text: string, options: InformationExtractionOptions): Promise<ExtractedRecord>;
  (texts: string[], options: InformationExtractionOptions): Promise<ExtractedRecord[]>;
}

/** The engine's options, from those of a call without its signal. */
export function recordOptions(given: RecordRunOptions = {}): RecordOptions {
  const { schema, ...rest } = given;
  if (schema === undefined) throw invalidInput("The option 'schema' is missing: the JSON schema of the record.");
  return { ...rest, schema: typeof schema === 'string' ? schema : JSON.stringify(schema) };
}
