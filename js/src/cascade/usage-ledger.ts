// Usage ledger: what the answers of a cascade took, summed up over all tabs of this origin.
import type { Account, DriftReport, LedgerView, UsageSummary } from '../types.js';
import { UsageRecords } from './usage-records.js';

/** More records than these are merged into one. */
const MAX_RECORDS = 64;

/** The sums of a ledger. */
export interface LedgerSummary extends UsageSummary {
  /** How the local model's confidences compare with those at its calibration; undefined where it has none. */
  drift: DriftReport | undefined;
  /** Whether the records outlive the page; if not, `fault` says why. */
  persisted: boolean;
  fault?: string;
  /** Records that could not be read, because they are broken or of another version. They stay where they are. */
  skipped_records: number;
}

/** What a cascade's answers took, in all tabs of this origin and since it was last cleared: numbers, never text. */
export interface Ledger {
  /** The sums. */
  summary(): Promise<LedgerSummary>;
  /** A line for each span of time and each route, with the boundary and the source of the energy. */
  toCSV(): Promise<string>;
  /** The summary as JSON. */
  toJSON(): Promise<string>;
  /** Removes all records, in all tabs. */
  clear(): Promise<void>;
}

/** The ledger of a loaded cascade. */
export class UsageLedger implements Ledger {
  readonly #records: UsageRecords;
  readonly #pending: string[] = [];
  #writing: Promise<void> | undefined;

  /**
   * @param name The cascade that the records belong to.
   * @param read Reads records, in the engine.
   */
  constructor(
    name: string,
    readonly read: (records: string[]) => Promise<LedgerView>,
  ) {
    this.#records = new UsageRecords(name);
  }

  /** Adds a record; nobody waits until it is stored. */
  add(record: string | undefined): void {
    if (record === undefined) return;
    this.#pending.push(record);
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    while (this.#pending.length > 0) await this.#records.add(this.#pending.splice(0));
  }

  async summary(): Promise<LedgerSummary> {
    await this.#writing;
    const { keys, records } = await this.#records.all();
    const { summary, drift, merged, invalid_records } = await this.read(records);
    const readable = keys.filter((_, i) => !invalid_records.includes(i));
    if (readable.length > MAX_RECORDS) await this.#records.replace(readable, merged);
    const { fault } = this.#records;
    const persisted = fault === undefined;
    const skipped_records = invalid_records.length;
    return { ...summary, drift, persisted, ...(fault !== undefined && { fault }), skipped_records };
  }

  async toCSV(): Promise<string> {
    return toCSV(await this.summary());
  }

  async toJSON(): Promise<string> {
    return JSON.stringify(await this.summary(), null, 2);
  }

  async clear(): Promise<void> {
    await this.#writing;
    await this.#records.clear();
  }
}

const COUNTS = [
  'answers',
  'degraded',
  'latency_ms',
  'local_ms',
  'remote_ms',
  'operations',
  'bytes',
  'attempts',
  'prompt_tokens',
  'completion_tokens',
  'total_tokens',
  'missing_usage',
  'usd',
  'unpriced',
] as const satisfies (keyof Account['tally'])[];

const SIDES = ['local', 'remote'] as const;
const ENERGY = SIDES.flatMap((side) => [`${side}_j_low`, `${side}_j_high`, `${side}_boundary`, `${side}_source`]);
const ROUTES = ['local', 'remote', 'checks'] as const;

/** `summary` as CSV by RFC 4180. */
export function toCSV({ spans, basis }: Pick<UsageSummary, 'spans' | 'basis'>): string {
  const rows: unknown[][] = [['from', 'to', 'route', ...COUNTS, ...ENERGY]];
  for (const { from_ms, to_ms, routes } of spans) {
    const span = [new Date(from_ms).toISOString(), new Date(to_ms).toISOString()];
    for (const route of ROUTES) {
      const { tally, energy_j } = routes[route];
      if (tally.attempts + tally.answers === 0) continue;
      const energy = SIDES.flatMap((side) => {
        const range = energy_j[side];
        return range ? [range.low, range.high, basis[side].boundary, basis[side].source] : ['', '', '', ''];
      });
      rows.push([...span, route, ...COUNTS.map((name) => tally[name]), ...energy]);
    }
  }
  return rows.map((cells) => `${cells.map(quoteCell).join(',')}\r\n`).join('');
}

function quoteCell(cell: unknown): string {
  const text = String(cell ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
