import { PilotLightError } from './errors.js';
import { invalid } from './input.js';
import { isCap } from './reasons.js';
import type { AnswerOutput, EntityGroup, Envelope, Labels } from './types.js';

/** An entity and its place, in units of UTF-16 as JavaScript's strings have them. */
export type LabelledEntity = Pick<EntityGroup, 'entity_group' | 'start' | 'end'>;

/** A text, and the answer to it that is right. */
export interface LabelledText {
  text: string;
  /** Its label; what has neither this nor `entities`, a general model is asked for. */
  label?: string;
  /** All of its entities, of a model that finds them. */
  entities?: LabelledEntity[];
  /** The general model that says so, where it was asked. */
  labelled_by?: string;
}

/** Asks the general models about each of the texts. */
export type Consult = (texts: string[]) => Promise<Envelope[]>;

/** Texts that are asked about together; between two lots what was answered is kept, and an abort is heard. */
const LOT = 8;

/** `texts`, each found to be text with at most one answer, whose entities are in it. */
export function checked(texts: unknown, name = 'Example'): LabelledText[] {
  if (!Array.isArray(texts)) throw invalid(`The ${name.toLowerCase()}s must be an array of { text, label }.`);
  texts.forEach((example, index) => {
    const { text, label, entities } = (example ?? {}) as Partial<Record<keyof LabelledText, unknown>>;
    if (typeof text !== 'string' || (label !== undefined && typeof label !== 'string'))
      throw invalid(`${name} ${index} must be { text, label }, both strings.`);
    if (entities === undefined) return;
    if (label !== undefined || !Array.isArray(entities))
      throw invalid(`${name} ${index} must have a label or an array of entities.`);
    if (!entities.every((entity) => isWithin(text, entity)))
      throw invalid(`${name} ${index} has an entity that is not { entity_group, start, end } within its text.`);
  });
  return texts as LabelledText[];
}

function isWithin(text: string, entity: LabelledEntity | null): boolean {
  const { entity_group, start = NaN, end = NaN } = entity ?? ({} as Partial<LabelledEntity>);
  return (
    typeof entity_group === 'string' &&
    Number.isInteger(start) &&
    Number.isInteger(end) &&
    0 <= start &&
    start < end &&
    end <= text.length
  );
}

/** The answer that is right, if it is known. */
export function truthOf({ text, label, entities }: LabelledText): AnswerOutput | undefined {
  if (label !== undefined) return { label };
  return entities?.map(({ entity_group, start, end }) => ({ entity_group, start, end, word: text.slice(start, end) }));
}

/**
 * `texts` with what the general models say of those that have no answer. It is appended to `labelled` as it comes, and what
 * is in there already is not asked for. What they do not answer is left out.
 */
export async function label(
  texts: LabelledText[],
  labelled: LabelledText[],
  consult: Consult,
  tell: (done: number) => void,
): Promise<{ examples: LabelledText[]; labels: Labels }> {
  const known = new Map(labelled.map((example) => [example.text, example]));
  const missing = [
    ...new Set(
      texts.filter((example) => truthOf(example) === undefined && !known.has(example.text)).map(({ text }) => text),
    ),
  ];
  for (let at = 0; at < missing.length; at += LOT) {
    const lot = missing.slice(at, at + LOT);
    const envelopes = await consult(lot);
    for (const [i, { route, output, model }] of envelopes.entries()) {
      if (route !== 'remote') continue;
      const example = { text: lot[i] as string, ...answerOf(output), labelled_by: model ?? '' };
      labelled.push(example);
      known.set(example.text, example);
    }
    tell(texts.filter((example) => truthOf(example) !== undefined || known.has(example.text)).length);
    const stop =
      envelopes.find(({ reason }) => isCap(reason) || reason === 'breaker-open') ??
      (envelopes.every(({ route }) => route === 'local') ? envelopes[0] : undefined);
    if (stop !== undefined) throw stopped(stop, labelled.length);
  }
  const examples = texts.flatMap((example) =>
    truthOf(example) === undefined ? (known.get(example.text) ?? []) : example,
  );
  const models = [...new Set(examples.flatMap(({ labelled_by }) => labelled_by ?? []))].sort();
  const asked = examples.filter(({ labelled_by }) => labelled_by !== undefined).length;
  return {
    examples,
    labels: { given: examples.length - asked, asked, unanswered: texts.length - examples.length, models },
  };
}

function answerOf(output: AnswerOutput): Pick<LabelledText, 'label' | 'entities'> {
  if (!Array.isArray(output)) return { label: output.label };
  return { entities: output.map(({ entity_group, start, end }) => ({ entity_group, start, end })) };
}

function stopped({ reason, detail }: Envelope, count: number): PilotLightError {
  const message = `The general models were asked no further, because of ${reason}${detail === undefined ? '' : ` (${detail})`}. The ${count} texts in labelled keep their labels: hand it in again to go on from there.`;
  return new PilotLightError(isCap(reason) ? 'budget-exhausted' : 'remote', message, { retryable: true });
}
