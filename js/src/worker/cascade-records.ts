// Records in a cascade: each is read step by step, and then decided on or scored.
import type { Args } from '../protocol/requests.js';
import { atInput } from '../shared/errors.js';
import type { RunOptions } from '../tasks/index.js';
import type { Cascade, Decided, Example, ExtractedRecord, Extraction, RecordOptions } from '../types.js';
import type { Engine } from './engine.js';
import { extracted, render } from './in-steps.js';

type Question = Pick<Args<'decide'>, 'key' | 'inputs' | 'options'>;

/** The first step for the record of each text. */
export async function decideRecords(
  engine: Engine,
  { key, inputs, options, thresholds, must_stay_local, consult }: Args<'decide'>,
  signal: AbortSignal | undefined,
): Promise<Decided[]> {
  const [threshold = 1] = thresholds;
  const known: Decided[] = [];
  const decide = (text: string): Promise<Decided> =>
    consult
      ? engine.now(async () => cascadeOf(engine, key).consultRecord(text, recordOptions(options)))
      : record(engine, { key, options }, text, signal, (extraction, ms) =>
          cascadeOf(engine, key).decideRecord(extraction, ms, threshold, must_stay_local),
        );
  try {
    await eachText(inputs, async (text) => known.push(await decide(text)));
    return known;
  } catch (thrown) {
    // Nobody goes on with those before the one that failed.
    const calls = known.flatMap(({ step, check }) => ['delegate' in step ? step.delegate : [], check ?? []].flat());
    if (engine.hasCascade(key)) for (const { call } of calls) cascadeOf(engine, key).abandon(call);
    throw thrown;
  }
}

/** The examples that the fields of the records are, each record with its truth. */
export async function scoreRecords(
  engine: Engine,
  { key, inputs, options, truths }: Question & Pick<Args<'scoreExamples'>, 'truths'>,
  signal: AbortSignal | undefined,
): Promise<Example[]> {
  const examples = await eachText(inputs, (text, index) =>
    record(engine, { key, options }, text, signal, (extraction) =>
      extraction.examples(truths[index] as ExtractedRecord),
    ),
  );
  return examples.flat();
}

/** What `finish` makes of the record of `text`. */
function record<T>(
  engine: Engine,
  { key, options }: Pick<Question, 'key' | 'options'>,
  text: string,
  signal: AbortSignal | undefined,
  finish: (extraction: Extraction, ms: number) => T,
): Promise<T> {
  const start = (): Extraction => cascadeOf(engine, key).extract(text, recordOptions(options), render);
  return extracted(engine, signal, start, finish);
}

function cascadeOf(engine: Engine, key: number): Cascade {
  return engine.model(key, 'cascade').cascade;
}

/** The page has made sure that there is a schema, and has written it as JSON. */
function recordOptions(options: RunOptions): RecordOptions {
  return options as RecordOptions;
}

/** The result of `work` for each of `texts`, one after the other. */
async function eachText<T>(texts: string[], work: (text: string, index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (const [index, text] of texts.entries()) {
    try {
      results.push(await work(text, index));
    } catch (thrown) {
      throw texts.length > 1 ? atInput(thrown, index) : thrown;
    }
  }
  return results;
}
