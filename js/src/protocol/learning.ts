// Requests about what a cascade has learnt: their arguments and their results.
import type { LearningReport } from '../types.js';

/** What a cascade has learnt, and where that is stored. */
export interface LearningStatus extends LearningReport {
  /** Whether this one learns for all tabs; if not, another one does, and this one decides by what that has stored. */
  leads: boolean;
  /** Whether what was learnt outlives the page; if not, `fault` says why. */
  persisted: boolean;
  fault?: string;
}

/** The requests about what a cascade has learnt. */
export interface LearningOps {
  reportLearning: { args: object; result: LearningStatus };
  exportLearning: { args: object; result: { bytes: Uint8Array } };
  importLearning: { args: { bytes: Uint8Array }; result: undefined };
  rollBackLearning: { args: object; result: undefined };
  clearLearning: { args: object; result: undefined };
  /** `bytes` is the `head.safetensors`, and `config` the `config.json`. */
  exportHead: { args: { folder: string }; result: { config: string; bytes: Uint8Array } };
}
