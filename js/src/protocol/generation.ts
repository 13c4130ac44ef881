// Requests for generated texts, and what is answered.
import type { GenerationOptions, GenerationPrompt, ParsedToolCalls, Piece, Reply } from '../types.js';

/** What is to be generated. */
export interface GenerateArgs {
  prompt: GenerationPrompt;
  options: Partial<GenerationOptions>;
}

/** The bytes of the tokens that were likeliest, by their ids; where log-probabilities are asked for. */
export interface TopBytes {
  top_bytes?: Record<number, number[]>;
}

/** What a step has added to a reply. */
export type GeneratedPiece = Piece & TopBytes;

/** A reply. */
export interface Generated extends TopBytes {
  reply: Reply;
  /** The tools that it calls, where the prompt has tools. */
  parsed?: ParsedToolCalls;
}
