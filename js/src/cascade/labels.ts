// Labels for calibration: checks labelled examples, and asks the remote models about those without a label.
import { pause } from '../shared/abort.js';
import { describe } from '../shared/check.js';
import { invalidInput, PilotLightError } from '../shared/errors.js';
import type {
  AnswerOutput,
  Consultation,
  EntityGroup,
  Labelling,
  LabellingOutcome,
  LabellingTurn,
  Labels,
} from '../types.js';

/** An entity, with offsets in UTF-16 code units as in JavaScript's strings. */
export type LabelledEntity = Pick<EntityGroup, 'entity_group' | 'start' | 'end'>;

/** A text and its right answer. */
export interface LabelledText {
  text: string;
  /** Its label; a text with neither this nor `entities` nor a `record` is put to a remote model. */
  label?: string;
  /** All of its entities, for a model that finds them. */
  entities?: LabelledEntity[];
  /** Its record, for a model that reads records. */
  record?: object;
  /** The remote model that gave the answer, where one was asked. */
  labelled_by?: string;
}

/** Asks the remote models about each of the texts. */
export type Consult = (texts: string[]) => Promise<Consultation[]>;

/** The engine's rules of labelling: which texts to ask about next, and when to stop. */
export interface LabellingRules {
  start(texts: number, batch: number): Promise<LabellingTurn>;
  advance(state: Labelling, outcomes: LabellingOutcome[]): Promise<LabellingTurn>;
}

/** Texts that are asked about together; between two batches the answers are kept, and an abort is noticed. */
const BATCH = 8;

/** `texts`, each found to be a text with at most one answer, whose entities are in it. */
export function checkExamples(texts: unknown, name = 'Example'): LabelledText[] {
  if (!Array.isArray(texts)) {
    throw invalidInput(`The ${name.toLowerCase()}s must be an array of { text, label }, got ${describe(texts)}.`);
  }
  for (const [index, example] of texts.entries()) {
    const wrong = wrongWith((example ?? {}) as Partial<Record<keyof LabelledText, unknown>>);
    if (wrong !== undefined) throw invalidInput(`${name} ${index} ${wrong}`);
  }
  return Array.from(texts as LabelledText[]);
}

/** What an example must be, where it is not that. */
function wrongWith({
  text,
  label,
  entities,
  record,
}: Partial<Record<keyof LabelledText, unknown>>): string | undefined {
  if (typeof text !== 'string' || (label !== undefined && typeof label !== 'string')) {
    return 'must be { text, label }, both strings.';
  }
  if ([label, entities, record].filter((answer) => answer !== undefined).length > 1) {
    return 'must have one answer: a label, entities or a record.';
  }
  if (record !== undefined && (typeof record !== 'object' || record === null))
    return 'must have an object as its record.';
  if (entities === undefined) return undefined;
  if (!Array.isArray(entities)) return 'must have a label or an array of entities.';
  if (entities.every((entity) => isWithin(text, entity))) return undefined;
  return 'has an entity that is not { entity_group, start, end } within its text.';
}

function isWithin(text: string, entity: LabelledEntity | null): boolean {
  const { entity_group, start = Number.NaN, end = Number.NaN } = entity ?? ({} as Partial<LabelledEntity>);
  const whole = Number.isInteger(start) && Number.isInteger(end);
  return typeof entity_group === 'string' && whole && 0 <= start && start < end && end <= text.length;
}

/** The right answer, if it is known. */
export function truthOf({ text, label, entities, record }: LabelledText): AnswerOutput | undefined {
  if (label !== undefined) return { label };
  if (record !== undefined) return { value: record, fields: [] };
  return entities?.map(({ entity_group, start, end }) => ({ entity_group, start, end, word: text.slice(start, end) }));
}

/**
 * `texts` with the answers of the remote models to those without one. The answers are appended to `labelled` as they
 * come, and texts that are in it already are not asked about. Texts that stay without an answer are left out.
 *
 * @param report Called with the number of texts that have an answer.
 */
export async function label(
  texts: LabelledText[],
  labelled: LabelledText[],
  consult: Consult,
  report: (done: number) => void,
  rules: LabellingRules,
  signal?: AbortSignal,
): Promise<{ examples: LabelledText[]; labels: Labels }> {
  const known = new Map(labelled.map((example) => [example.text, example]));
  const hasAnswer = (example: LabelledText): boolean => truthOf(example) !== undefined || known.has(example.text);
  const missing = [...new Set(texts.filter((example) => !hasAnswer(example)).map(({ text }) => text))];
  for (let turn = await rules.start(missing.length, BATCH); turn.step !== 'done'; ) {
    if ('stop' in turn.step) throw stopped(turn.step.stop, labelled.length);
    const { texts: asked, delay_ms } = turn.step.ask;
    await pause(delay_ms, signal);
    const batch = asked.map((index) => missing[index] as string);
    const results = await consult(batch);
    for (const [i, { output, model }] of results.entries()) {
      if (output === undefined) continue;
      const example = { text: batch[i] as string, ...answerOf(output), labelled_by: model ?? '' };
      labelled.push(example);
      known.set(example.text, example);
    }
    report(texts.filter(hasAnswer).length);
    turn = await rules.advance(turn.state, results.map(outcomeOf));
  }
  const examples = texts.flatMap((text) => (truthOf(text) === undefined ? (known.get(text.text) ?? []) : text));
  const models = [...new Set(examples.flatMap(({ labelled_by }) => labelled_by ?? []))].sort();
  const asked = examples.filter(({ labelled_by }) => labelled_by !== undefined).length;
  const labels = { given: examples.length - asked, asked, unanswered: texts.length - examples.length, models };
  return { examples, labels };
}

function outcomeOf({ output, reason, detail }: Consultation): LabellingOutcome {
  return { answered: output !== undefined, reason, ...(detail !== undefined && { detail }) };
}

function answerOf(output: AnswerOutput): Pick<LabelledText, 'label' | 'entities' | 'record'> {
  if ('value' in output) return { record: output.value as object };
  if ('label' in output) return { label: output.label };
  // A cascade that learns which labels apply is not calibrated.
  if ('labels' in output) return {};
  return { entities: output.map(({ entity_group, start, end }) => ({ entity_group, start, end })) };
}

type Stop = Extract<LabellingTurn['step'], { stop: object }>['stop'];

function stopped({ kind, reason, detail }: Stop, count: number): PilotLightError {
  const why = detail === undefined ? reason : `${reason} (${detail})`;
  const message =
    `The remote models were asked no further, because of ${why}. ` +
    `The ${count} texts in labelled keep their labels: pass it again to go on from there.`;
  return new PilotLightError(kind, message, { retryable: true });
}
