// The usage ledger in the page: where there is no database, and exported as CSV.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toCSV, UsageLedger } from '../modules/cascade/usage-ledger.js';

const none = {
  answers: 0,
  degraded: 0,
  latency_ms: 0,
  local_ms: 0,
  remote_ms: 0,
  operations: 0,
  bytes: 0,
  attempts: 0,
  prompt_tokens: 0,
  completion_tokens: 0,
  total_tokens: 0,
  missing_usage: 0,
  usd: 0,
  unpriced: 0,
};
const nothing = { tally: none, energy_j: { local: { low: 0, high: 0 } } };

/** An engine that can read every record except 'broken'. */
const read = async (records) => ({
  summary: { records: records },
  drift: undefined,
  merged: records.join(),
  invalid_records: records.flatMap((record, i) => (record === 'broken' ? [i] : [])),
});

test('without a database the records live as long as the page, and the summary says so', async () => {
  const ledger = new UsageLedger('name', read);
  ledger.add('a');
  ledger.add(undefined);
  ledger.add('broken');
  const summary = await ledger.summary();
  assert.deepEqual([summary.records, summary.persisted, summary.skipped_records], [['a', 'broken'], false, 1]);
  assert.match(summary.fault, /no database/);
  assert.deepEqual(JSON.parse(await ledger.toJSON()).records, ['a', 'broken']);
  await ledger.clear();
  assert.deepEqual((await ledger.summary()).records, []);
});

test('the CSV has a line for each span and route with usage, with the basis of its energy', () => {
  const local = { tally: { ...none, answers: 3, operations: 5 }, energy_j: { local: { low: 1, high: 2.5 } } };
  const remote = {
    tally: { ...none, answers: 1, attempts: 2, usd: 0.25 },
    energy_j: { local: { low: 0, high: 0 }, remote: { low: 10, high: 99 } },
  };
  const basis = { local: { boundary: 'chip, no "screen"', source: 'a' }, remote: { boundary: 'all', source: 'b' } };
  const spans = [
    { from_ms: 0, to_ms: 60_000, routes: { local, remote, checks: nothing } },
    {
      from_ms: 60_000,
      to_ms: 120_000,
      routes: { local: nothing, remote: nothing, checks: { ...nothing, tally: { ...none, attempts: 1 } } },
    },
  ];
  const [header, ...lines] = toCSV({ spans, basis }).split('\r\n');
  const names = header.split(',');
  assert.deepEqual([names.slice(0, 4), names.length, lines.length], [['from', 'to', 'route', 'answers'], 25, 4]);
  assert.match(
    lines[0],
    /^1970-01-01T00:00:00\.000Z,1970-01-01T00:01:00\.000Z,local,3,.*,1,2\.5,"chip, no ""screen""",a,,,,$/,
  );
  assert.match(lines[1], /,remote,1,.*,0\.25,0,0,0,"chip, no ""screen""",a,10,99,all,b$/);
  assert.match(lines[2], /^1970-01-01T00:01:00\.000Z,.*,checks,0,/);
  assert.equal(lines[3], '');
});
