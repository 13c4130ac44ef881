// Text of the page: numbers, sentences and the few rules behind them. Pure functions, without DOM or model.

const whole = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });
const parts = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });
const tenths = new Intl.NumberFormat('en-GB', { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const count = (value) => whole.format(value);

/** `7 messages`, `1 message`. */
export const many = (value, noun) => `${whole.format(value)} ${noun}${value === 1 ? '' : 's'}`;

/** A confidence in percent, rounded down, so that one below the threshold never reads as if it had reached it. */
export const percent = (confidence) => `${tenths.format(Math.floor(confidence * 1000 + 1e-6) / 10)}%`;

/** A share of a total: `7 (17.5%)`. */
const share = (part, of) => `${whole.format(part)} (${parts.format((100 * part) / of)}%)`;

export const megabytes = (bytes) => `${tenths.format(bytes / 1e6)} MB`;

export function duration(ms) {
  if (ms > 0 && ms < 9.95) return `${tenths.format(ms)} ms`;
  return ms < 999.5 ? `${whole.format(ms)} ms` : `${tenths.format(ms / 1000)} s`;
}

/** A short name for `address`: its host, or its path if it is on the page's own server. */
export function hostOf(address, base) {
  const url = new URL(address, base);
  return url.origin === new URL(base).origin ? url.pathname : url.host;
}

/**
 * The fate of a message at this threshold:
 * 'stayed': confident enough, answered here;
 * 'unsure': below the threshold and not sent; it would be delegated, unless it is too long;
 * 'left': sent, and answered by the remote;
 * 'failed': sent or tried without a usable answer; the local answer stands.
 * What was sent stays sent when the threshold changes afterwards.
 */
export function fateOf(envelope, threshold) {
  if (envelope.route === 'remote') return 'left';
  if (envelope.degraded && !UNTRIED.has(envelope.reason)) return 'failed';
  return envelope.confidence < threshold ? 'unsure' : 'stayed';
}

/** The reasons for which an unsure message was never meant to be sent. */
const UNTRIED = new Set(['no-remote', 'local-only', 'too-long']);

const FAILURES = {
  'remote-unreachable': (host) => `${host} could not be reached`,
  'remote-timeout': (host) => `Sent, but ${host} did not answer in time`,
  'remote-refused': (host) => `Sent, but ${host} refused it`,
  'remote-invalid': (host) => `Sent, but the reply of ${host} was not valid`,
  'redactor-unavailable': () => 'Not sent, because personal data could not be searched for',
  'breaker-open': (host) => `Not sent, because ${host} failed too often`,
  'usd-per-day': () => 'Not sent, because the budget for today is spent',
  other: (host) => `${host} gave no answer`,
};

/** The route of a message in words, then its cost. `host` names the server it was sent to. */
export function routeWords(envelope, fate, host, remoteOn) {
  const here = duration(envelope.local_latency_ms);
  if (fate === 'stayed') return ['Stayed here', here];
  if (fate === 'unsure' && envelope.reason === 'too-long') return ['Unsure, too long to be sent', here];
  if (fate === 'unsure') return [remoteOn ? 'Unsure, not sent yet' : 'Unsure, would be delegated', here];
  const there =
    envelope.remote_latency_ms === undefined
      ? []
      : [`${duration(envelope.remote_latency_ms)} ${fate === 'left' ? 'there' : 'waiting'}`];
  const tokens = envelope.usage ? [many(envelope.usage.total_tokens, 'token')] : [];
  const route =
    fate === 'left'
      ? `Left: answered by ${host}`
      : `${(FAILURES[envelope.reason] ?? FAILURES.other)(host)}; local answer kept`;
  return [route, `${here} here`, ...there, ...tokens];
}

/** The guarantee of the threshold, if it is the calibrated one. */
export function promiseWords(calibration, threshold) {
  if (calibration?.threshold !== threshold) return '';
  const { promise, n } = calibration;
  const hundredths = (part) => `${parts.format(100 * part)}%`;
  const what =
    promise.method === 'learn-then-test'
      ? `of what stays here, at most ${hundredths(promise.alpha)} is wrong, with ${hundredths(1 - promise.delta)} certainty`
      : `at most ${hundredths(promise.alpha)} of all messages stay here and are wrong, on average`;
  return `Calibrated on ${count(n)} texts: ${what}. That holds for messages like those.`;
}

/** The number of messages of each fate. */
export function tally(envelopes, threshold) {
  const fates = { stayed: 0, unsure: 0, left: 0, failed: 0 };
  for (const envelope of envelopes) fates[fateOf(envelope, threshold)] += 1;
  return { ...fates, answered: envelopes.length };
}

/** The outcome at the threshold in one sentence. */
export function outcome({ answered, stayed, unsure, left, failed }) {
  if (answered === 0) return 'No message has been sorted yet.';
  if (stayed === answered)
    return answered === 1 ? 'The one message stays here.' : `All ${many(answered, 'message')} stay here.`;
  const clauses = [`${share(stayed, answered)} stay${stayed === 1 ? 's' : ''} here`];
  if (left > 0) clauses.push(`${share(left, answered)} left and came back with an answer`);
  if (failed > 0) clauses.push(`${share(failed, answered)} got no answer from the remote`);
  if (unsure > 0) clauses.push(`${share(unsure, answered)} would be delegated`);
  return `Of ${many(answered, 'message')}, ${clauses.slice(0, -1).join(', ')} and ${clauses.at(-1)}.`;
}

/** The median; undefined for no values. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : sorted.length ? (sorted[half - 1] + sorted[half]) / 2 : undefined;
}

export const DEVICES = { webgpu: 'WebGPU', wasm: 'the CPU' };

/** The device in use and the reason, from its report. */
export function deviceWords({ kind, adapter, reason }) {
  return `Runs on ${DEVICES[kind] ?? kind}${adapter ? ` (${adapter})` : ''}. ${reason.replace(/[^.!?]$/, '$&.')}`;
}

const HEADINGS = {
  'invalid-artefact': 'The model’s files cannot be used.',
  'invalid-input': 'The input is not valid.',
  'backend-unavailable': 'This device is not available.',
  'device-lost': 'The device was lost.',
  unsupported: 'This model or browser is not supported.',
  internal: 'The model stopped.',
};

/** An error as a heading and its message. */
export function errorWords(error) {
  const heading = HEADINGS[error?.kind] ?? 'Something went wrong.';
  return { heading, message: error?.message ?? String(error) };
}

/** The beginning of `text`: a pasted book need not be laid out. */
export function excerpt(text, characters = 320) {
  if (text.length <= characters) return text;
  const start = Array.from(text.slice(0, characters)).slice(0, -1).join('');
  return `${start}… (${many(text.length, 'character')})`;
}
