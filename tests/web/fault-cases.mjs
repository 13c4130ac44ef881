// Fault injection table: the result of a question for each way in which a remote model can misbehave, one line a case.
//
//   serve     the server's behaviour for each request in turn; the last one for all further requests (faults-server.mjs)
//   expect    the reason of each answer; 'unsure' is the remote's answer, every other reason the local one, flagged;
//             'cancelled' is a rejection with that kind
//   requests  the number of requests that the server gets
//   remote, policy   options of the cascade, in addition to the deadlines of faults.test.mjs
//   stream    the answer is streamed; `words` is the text that the page receives, where the case is about that
//   redactor  'hangs': it never answers; without it, there is no redactor
//   asks      the number of questions, asked one after the other, or `together`
//   abort     when the page aborts: at once, soon, in `getToken`, in the redactor, or when the server has reached a point
//   then      how the next question ends, if it is asked
//
// Cases about time use times that pass on any machine: what must time out never answers, and what must not has far longer
// than a request takes.

const [OK, UNREACHABLE, TIMEOUT, REFUSED, INVALID] = [
  'unsure',
  'remote-unreachable',
  'remote-timeout',
  'remote-refused',
  'remote-invalid',
];
const ONCE = { remote: { retries: 0 } };
const STREAM = { stream: true };
// A timeout in milliseconds that is long enough for a request to reach the server on a busy machine.
const REACHED = 4000;
const SHORT = { remote: { timeout_ms: REACHED, retries: 0 } };
const SHORT_STREAM = { ...SHORT, ...STREAM };
// The breaker stays open for longer than its case takes; where the case waits for it to close, for as long as it takes to ask once.
const breaker = (rest_ms) => ({ remote: { retries: 0, breaker: { failures: 2, rest_ms } } });
const BREAKER = breaker(3_600_000);
const SHORT_BREAKER = breaker(8000);

/** [serve, expect, requests, more]; the name is made of the first two. */
const CASES = [
  // Answers, and how they come.
  [['ok'], OK, 1],
  [['fenced'], OK, 1],
  [['wrong-usage'], OK, 1],
  [['json-without-type'], OK, 1],
  [['ok'], OK, 1, { ...STREAM, words: '{"label":"positive"}' }],
  [['stream'], OK, 1, { ...STREAM, words: '{"label":"positive"}' }],
  [['stream-without-done'], OK, 1, STREAM],
  [['stream-of-comments'], OK, 1, STREAM],
  [['stream-with-crlf'], OK, 1, STREAM],
  [['json-without-type'], OK, 1, { ...STREAM, words: '' }],
  [['json-as-text'], OK, 1],
  [['json-as-html'], OK, 1],
  [['json-as-events'], OK, 1, { ...STREAM, words: '' }],
  [['events-as-json'], OK, 1],
  [['events-as-text'], OK, 1, STREAM],
  [['events-without-type'], OK, 1, STREAM],
  [['stream-without-last-line'], OK, 1, { ...STREAM, words: '{"label":"positive"}' }],
  [['stream-with-nulls'], OK, 1, { ...STREAM, words: '{"label":"positive"}' }],
  [['stream-of-parts'], OK, 1, { ...STREAM, words: '{"label":"positive"}' }],
  [['parts'], OK, 1],
  [['thoughts'], OK, 1],
  [['sentence-and-fence'], OK, 1],

  // Connections.
  [['disconnect'], UNREACHABLE, 3],
  [['disconnect', 'ok'], OK, 2],
  [['disconnect', 'disconnect', 'ok'], OK, 3],
  [['disconnect'], UNREACHABLE, 1, ONCE],
  [['short-of-length', 'ok'], OK, 2],
  [['short-of-length'], UNREACHABLE, 3],
  [['drop'], REFUSED, 3],

  // Time.
  [['slow'], TIMEOUT, 1, SHORT],
  [['slow', 'ok'], OK, 2, { remote: { timeout_ms: REACHED } }],
  [['hang'], TIMEOUT, 1, SHORT],
  [['hang-in-the-body'], TIMEOUT, 1, SHORT],
  [['stream-that-stalls'], TIMEOUT, 1, { ...SHORT_STREAM, words: '{"la' }],
  [['comments-for-ever', 'ok'], INVALID, 1, STREAM],
  [['hang'], TIMEOUT, undefined, { remote: { timeout_ms: 400 }, policy: { deadline_ms: 1000 } }],
  [['hang'], TIMEOUT, 1, { policy: { deadline_ms: REACHED } }],

  // Statuses that are retried.
  ...[408, 409, 429, 500, 502, 503, 504, 529].flatMap((status) => [
    [[status], REFUSED, 3],
    [[status, 'ok'], OK, 2],
  ]),
  [['error-503'], REFUSED, 3],
  [['503-html', 'ok'], OK, 2],
  [['501'], REFUSED, 3],
  [['500', 'ok'], OK, 2, STREAM],
  [['500'], REFUSED, 1, ONCE],

  // And statuses that are not.
  ...[400, 401, 403, 404, 418, 422, 451].map((status) => [[status, 'ok'], REFUSED, 1]),
  [['204', 'ok'], INVALID, 1],
  [['redirect-here', 'ok'], REFUSED, 1],
  [['redirect-elsewhere', 'ok'], REFUSED, 1],

  // Retry-After.
  [['rate-limit'], REFUSED, 3],
  [['rate-limit', 'ok'], OK, 2],
  [['429-after-0', 'ok'], OK, 2],
  [['429-after-1', 'ok'], OK, 2],
  [['ask-for-a-while', 'ok'], REFUSED, 1],
  [['429-after-long', 'ok'], REFUSED, 1],
  [['429-after-far-date', 'ok'], REFUSED, 1],
  [['429-after-past-date', 'ok'], OK, 2],
  [['429-after-nonsense', 'ok'], OK, 2],
  [['429-after-fraction', 'ok'], OK, 2],
  [['429-after-ms', 'ok'], OK, 2],

  // Replies that are not valid.
  ...['malformed', 'html', 'empty', 'null', 'a-list', 'no-choices', 'empty-choices', 'not-utf-8', 'huge'].map(
    (fault) => [[fault, 'ok'], INVALID, 1],
  ),
  [['error-inside', 'ok'], REFUSED, 1],
  [['error-503-inside', 'ok'], OK, 2],
  [['error-503-inside'], REFUSED, 3],

  // Content that is not an answer: where a repair is possible, it is tried once.
  ...['outside-label', 'not-json', 'wrong-type', 'array', 'empty-content', 'null-content', 'obeys-injection'].flatMap(
    (fault) => [
      [[fault], INVALID, 2],
      [[fault, 'ok'], OK, 2],
    ],
  ),
  ...['refusal', 'tool-call', 'cut-by-length', 'filtered'].map((fault) => [[fault, 'ok'], INVALID, 1]),
  [['outside-label', '500', 'ok'], OK, 3],
  [['500', 'outside-label', 'ok'], OK, 3],

  // Streams: once some of the answer was seen, there is no retry.
  [['truncate-1'], UNREACHABLE, 3, STREAM],
  [['truncate-3'], UNREACHABLE, 1, STREAM],
  [['disconnect-mid-stream'], UNREACHABLE, 1, STREAM],
  [['stream-of-nothing'], UNREACHABLE, 3, STREAM],
  [['stream-of-nothing', 'ok'], OK, 2, STREAM],
  [['stream-of-done', 'ok'], INVALID, 1, STREAM],
  [['stream-of-rubbish', 'ok'], INVALID, 1, STREAM],
  [['stream-error', 'ok'], REFUSED, 1, STREAM],
  [['stream-error-503', 'ok'], OK, 2, STREAM],
  [['stream-error-midway', 'ok'], REFUSED, 1, { ...STREAM, words: '{"la' }],
  [['stream-tool-call', 'ok'], INVALID, 1, STREAM],
  [['stream-outside-label', 'ok'], INVALID, 1, STREAM],
  [['event-of-100-mb', 'ok'], INVALID, 1, STREAM],
  [['answer-of-100-mb', 'ok'], INVALID, 1, STREAM],
  [['html', 'ok'], INVALID, 1, STREAM],
  [['tool-call', 'ok'], INVALID, 1, STREAM],

  // The breaker: two failures in a row open it, one probe closes it.
  [['500'], [REFUSED, REFUSED, 'breaker-open', 'breaker-open'], 2, { ...BREAKER, asks: 4 }],
  [['500', '500', 'ok'], [REFUSED, REFUSED, 'breaker-open'], 2, { ...SHORT_BREAKER, asks: 3, then: OK }],
  [['500', 'ok', '500', 'ok'], [REFUSED, OK, REFUSED, OK], 4, { ...BREAKER, asks: 4 }],
  [['401'], [REFUSED, REFUSED, REFUSED], 3, { ...BREAKER, asks: 3 }],
  [['html'], [INVALID, INVALID, 'breaker-open'], 2, { ...BREAKER, asks: 3 }],

  // Limits.
  [['ok'], [OK, 'requests-per-minute'], 1, { remote: { caps: { requests_per_minute: 1 } }, asks: 2 }],
  [['500'], 'requests-per-minute', 2, { remote: { caps: { requests_per_minute: 2 } } }],
  [['ok'], 'tokens-per-minute', 0, { remote: { caps: { tokens_per_minute: 100 } } }],
  [
    ['ok'],
    'usd-per-day',
    0,
    {
      remote: {
        caps: { usd_per_day: 0.0001 },
        price: { prompt_usd_per_million: 1, completion_usd_per_million: 1, as_of: '2026-11-24' },
      },
    },
  ],
  [['ok'], 'local-only', 0, { policy: { privacy: 'local-only' } }],
  [['ok'], 'redactor-unavailable', 0, { policy: { privacy: 'redact' } }],
  [['ok'], 'redactor-unavailable', 0, { redactor: 'hangs', policy: { privacy: 'redact', deadline_ms: 500 } }],
  [['ok'], 'cancelled', 0, { redactor: 'hangs', abort: 'soon', policy: { privacy: 'redact' } }],

  // Aborts, at each stage.
  [['ok'], 'cancelled', 0, { abort: 'at once' }],
  [['ok'], 'cancelled', 0, { abort: 'getToken' }],
  [['ok'], 'cancelled', 0, { abort: 'redactor', policy: { privacy: 'redact' } }],
  [['hang'], 'cancelled', 1, { abort: 'server' }],
  [['hang-in-the-body'], 'cancelled', 1, { abort: 'server' }],
  [['ask-for-a-while'], 'cancelled', 1, { abort: 'server', policy: { deadline_ms: 60_000 } }],
  [['stream-that-stalls'], 'cancelled', 1, { abort: 'server', ...STREAM }],
  [
    ['hang'],
    ['cancelled', 'cancelled'],
    1,
    { abort: 'server', asks: 2, policy: { max_concurrent: 1 }, together: true },
  ],
  [['hang', 'ok'], 'cancelled', 2, { abort: 'server', then: OK }],

  // The queue.
  [['ok'], [OK, OK, OK], 3, { asks: 3, together: true, policy: { max_concurrent: 1 } }],
  [['ok'], [OK, OK, 'queue-full'], 2, { asks: 3, together: true, policy: { max_concurrent: 1, max_waiting: 1 } }],
  [['hang'], [TIMEOUT, TIMEOUT], 1, { asks: 2, together: true, policy: { max_concurrent: 1, deadline_ms: REACHED } }],
];

export const FAULTS = CASES.map(([serve, expect, requests, more = {}], index) => {
  const reasons = [expect].flat();
  const how = [more.stream && 'streamed', more.abort && `aborted ${more.abort}`, more.together && 'together']
    .filter(Boolean)
    .join(', ');
  return {
    id: `case-${index}`,
    name: `${serve.join(', ')}${how && ` (${how})`}: ${reasons.join(', ')}`,
    serve,
    requests,
    reasons,
    ...more,
  };
});
