// The table of tasks. A task is a file of its own, and a row here.
export * from './feature-extraction.js';
export * from './file-classification.js';
export * from './image-to-text.js';
export * from './summarization.js';
export * from './text-classification.js';
export * from './token-classification.js';
export * from './voice-activity-detection.js';
export * from './zero-shot-classification.js';
