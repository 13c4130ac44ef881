// Requests about cascades: decisions on texts, the steps of a question to a remote model, calibration and usage.
import type { Args, Op, Result } from '../protocol/requests.js';
import { PilotLightError } from '../shared/errors.js';
import type { Cascade, Decided, Reason, RemoteEvent, Turn } from '../types.js';
import { trapped } from './builds.js';
import { decideRecords, scoreRecords } from './cascade-records.js';
import type { Engine, Handlers } from './engine.js';

type CascadeOp = Extract<
  Op,
  | 'decide'
  | 'enqueue'
  | 'feed'
  | 'resume'
  | 'receive'
  | 'decline'
  | 'abandon'
  | 'scoreExamples'
  | 'calibrate'
  | 'startLabelling'
  | 'advanceLabelling'
  | 'explain'
  | 'readUsage'
>;

/** The handlers of `engine` for cascades. */
export function cascadeHandlers(engine: Engine): Pick<Handlers, CascadeOp> {
  const cascadeOf = (key: number): Cascade => engine.model(key, 'cascade').cascade;

  const decide: Handlers['decide'] = async (args, { signal }) => {
    const decided = await decideAll(args, signal);
    const checks = decided.flatMap(({ check }, index) => (check === undefined ? [] : [{ ...check, index }]));
    const { generation } = engine;
    engine.learning.get(args.key)?.answered();
    return { steps: decided.map(({ step }) => step), checks, generation, ...newRecord(cascadeOf(args.key)) };
  };

  async function decideAll(args: Args<'decide'>, signal: AbortSignal | undefined): Promise<Decided[]> {
    const { key, inputs, options, thresholds, must_stay_local, provenance = {}, consult } = args;
    const limits = Float64Array.from(thresholds);
    const decided = await engine.exclusive(async () => {
      const cascade = cascadeOf(key);
      if (cascade.readsRecords) return undefined;
      const decideBatch = async (batch: string[]): Promise<Decided[]> =>
        consult ? cascade.consult(batch, options) : cascade.decide(batch, options, limits, must_stay_local, provenance);
      return (await engine.batches(inputs, signal, decideBatch)).flat();
    });
    return decided ?? decideRecords(engine, args, signal);
  }

  const abandon: Handlers['abandon'] = ({ key, call, generation }) =>
    engine.now(async () => {
      const known = engine.hasCascade(key) && generation === engine.generation;
      return { started: known ? cascadeOf(key).abandon(call) : undefined };
    });

  /** One step of a question to a remote model. In a fresh engine, which does not know it, it is decided again first. */
  async function advance(
    args: Args<'enqueue'>,
    act: (cascade: Cascade, call: number) => Turn,
  ): Promise<Result<'enqueue'>> {
    if (isKnown(args)) return step(args, args.call, act);
    if (args.check) {
      throw new PilotLightError('internal', 'The engine was replaced, and with it what was to be checked.');
    }
    const { inputs, options, thresholds, must_stay_local, provenance, consult = false, key } = args;
    const known = provenance && { provenance };
    const question = { key, inputs, options, thresholds, must_stay_local, consult, ...known };
    const { steps, checks, record, generation } = await decide(question, {});
    for (const { call } of checks) await abandon({ key, call, generation }, {});
    const [first] = steps;
    if (first === undefined) throw new PilotLightError('internal', 'The cascade decided nothing.');
    if ('delegate' in first) return step(args, first.delegate.call, act);
    return { turn: { step: first }, generation, ...(record !== undefined && { record }) };
  }

  function step(
    { key, spend_logs }: Args<'enqueue'>,
    call: number,
    act: (cascade: Cascade, call: number) => Turn,
  ): Promise<Result<'enqueue'>> {
    return engine.now(async () => {
      const cascade = cascadeOf(key);
      for (const [remote, log] of (spend_logs ?? []).entries()) if (log !== null) cascade.absorb(remote, log);
      const turn = act(cascade, call);
      engine.learning.get(key)?.answered();
      const spent = spend_logs && { spend_logs: cascade.spending() };
      return { turn, generation: engine.generation, ...newRecord(cascade), ...spent };
    });
  }

  const isKnown = ({ generation }: Args<'enqueue'>): boolean => generation === engine.generation;
  const enqueue = (cascade: Cascade, call: number, { stream, found }: Args<'enqueue'>): Turn =>
    cascade.enqueue(call, stream, found);

  return {
    decide,
    abandon,

    enqueue: (args) => advance(args, (cascade, call) => enqueue(cascade, call, args)),

    // A fresh engine does not know that the question waited.
    resume: (args) =>
      advance(args, (cascade, call) => (isKnown(args) ? cascade.resume(call) : enqueue(cascade, call, args))),

    // In a fresh engine the attempt that was made counts for the question's first one.
    receive: (args) =>
      advance(args, (cascade, call) => {
        const turn = isKnown(args) ? undefined : enqueue(cascade, call, args);
        return turn === undefined || 'send' in turn.step ? cascade.receive(call, args.event as RemoteEvent) : turn;
      }),

    decline: (args) =>
      advance(args, (cascade, call) => cascade.decline(call, args.reason as Reason, args.detail ?? '')),

    feed: ({ key, call, generation, bytes, last }) =>
      engine.now(async () => {
        const cascade = cascadeOf(key);
        if (generation === engine.generation) return cascade.feed(call, bytes, last);
        throw new PilotLightError('internal', 'The engine was replaced in the middle of a reply.');
      }),

    scoreExamples: async ({ key, tier, inputs, truths, options }, { signal }) => {
      if (await engine.now(async () => cascadeOf(key).readsRecords))
        return scoreRecords(engine, { key, inputs, truths, options }, signal);
      return engine.exclusive(async () => {
        let done = 0;
        const parts = await engine.batches(inputs, signal, (batch) => {
          const from = done;
          done += batch.length;
          return cascadeOf(key).scoreExamples(tier, batch, truths.slice(from, done), options);
        });
        return parts.flat();
      });
    },

    calibrate: ({ key, tier, examples, labels, promise, source, options }) =>
      engine.now(() => trapped(async () => cascadeOf(key).calibrate(tier, examples, labels, promise, source, options))),

    startLabelling: ({ key, texts, batch }) => engine.now(async () => cascadeOf(key).startLabelling(texts, batch)),

    advanceLabelling: ({ key, state, outcomes }) =>
      engine.now(async () => cascadeOf(key).advanceLabelling(state, outcomes)),

    explain: ({ key, envelope }) => engine.now(async () => cascadeOf(key).explain(envelope)),

    readUsage: ({ key, records }) => engine.now(() => trapped(async () => cascadeOf(key).readUsage(records))),
  };
}

/** What was answered since the last call, for the usage ledger. */
function newRecord(cascade: Cascade): { record?: string } {
  const record = cascade.takeRecord();
  return record === undefined ? {} : { record };
}
