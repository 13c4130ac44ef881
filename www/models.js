// Models that several sections share.

/** Writes: it continues code, and reads records out of texts. */
export const GENERATOR = '/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf';
