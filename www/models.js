// Models that several sections share.

/** Writes: it continues code, and reads records out of texts. */
export const GENERATOR = '/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf';

/**
 * The redactor, on the CPU whichever device the other models run on: it is small, and a text has to pass it before the deadline or
 * nothing is sent. On an adapter in software it would take seconds for each text.
 */
export const REDACTOR = { model: '/models/rampart', device: 'wasm' };

/** The deadline of a question that may be sent, in milliseconds, where the page's address sets one. */
const DEADLINE_MS = new URLSearchParams(location.search).get('deadline_ms');

/** What of a policy is the same for all questions. */
export const POLICY = { privacy: 'redact', ...(DEADLINE_MS && { deadline_ms: Number(DEADLINE_MS) }) };
