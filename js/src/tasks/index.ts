// The table of tasks. A task is a file of its own, and a row here.
import { featureExtraction } from './feature-extraction.js';
import { fileClassification } from './file-classification.js';
import { imageToText } from './image-to-text.js';
import { textClassification } from './text-classification.js';
import { tokenClassification } from './token-classification.js';
import { voiceActivityDetection } from './voice-activity-detection.js';
import { zeroShotClassification } from './zero-shot-classification.js';

export type * from './feature-extraction.js';
export type * from './file-classification.js';
export type * from './image-to-text.js';
export type * from './text-classification.js';
export type * from './token-classification.js';
export type * from './voice-activity-detection.js';
export type * from './zero-shot-classification.js';

/** The tasks, named as the Hugging Face hub names them. */
export const TASKS = {
  'feature-extraction': featureExtraction,
  'text-classification': textClassification,
  'token-classification': tokenClassification,
  'zero-shot-classification': zeroShotClassification,
  'file-classification': fileClassification,
  'voice-activity-detection': voiceActivityDetection,
  'image-to-text': imageToText,
};

/** What a model is used for. */
export type Task = keyof typeof TASKS;

/** The tasks that read texts. */
export type TextTask = { [T in Task]: (typeof TASKS)[T] extends { read?: never } ? T : never }[Task];

/** The pipeline of each task. */
export type Pipelines = { [T in Task]: NonNullable<(typeof TASKS)[T]['pipeline']> };
