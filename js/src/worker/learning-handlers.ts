// Requests about what a cascade has learnt.
import type { Op } from '../protocol/requests.js';
import { PilotLightError } from '../shared/errors.js';
import { trapped } from './builds.js';
import type { Engine, Handlers } from './engine.js';
import type { Learning } from './learning.js';

type LearningOp = Extract<
  Op,
  'reportLearning' | 'exportLearning' | 'importLearning' | 'rollBackLearning' | 'clearLearning' | 'exportHead'
>;

/** The handlers of `engine` for what cascades have learnt. */
export function learningHandlers(engine: Engine): Pick<Handlers, LearningOp> {
  const of = (key: number): Learning => {
    const learning = engine.learning.get(key);
    if (learning === undefined)
      throw new PilotLightError('internal', `No cascade that learns is under the key ${key}.`);
    return learning;
  };
  const done = async (step: Promise<void>): Promise<undefined> => {
    await step;
    return undefined;
  };
  return {
    reportLearning: ({ key }) => engine.now(() => trapped(async () => of(key).report())),
    exportLearning: async ({ key }) => ({ bytes: await of(key).export() }),
    importLearning: ({ key, bytes }) => done(of(key).import(bytes)),
    rollBackLearning: ({ key }) => done(of(key).rollback()),
    clearLearning: ({ key }) => done(of(key).clear()),
    exportHead: ({ key, folder }) =>
      engine.now(() =>
        trapped(async () => {
          const files = engine.model(key, 'cascade').cascade.exportHead(folder);
          const { config, weights: bytes } = files;
          files.free();
          return { config, bytes };
        }),
      ),
  };
}
