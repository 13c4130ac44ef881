import { Records } from './records.js';
import type { Account, LedgerView, Summary, Watch } from './types.js';

/** More records than these are made one. */
const MOST_RECORDS = 64;

/** What a ledger says. */
export interface LedgerSummary extends Summary {
  /** How the local model's confidences compare with those at its calibration; undefined where it has none. */
  watch: Watch | undefined;
  /** Whether it is kept when the page is closed; if not, `fault` says why. */
  kept: boolean;
  fault?: string;
  /** Records that could not be read, because they are broken or another version's. They are left where they are. */
  passedOver: number;
}

/** What a cascade's answers have taken, in all tabs of this origin and since it was cleared last: numbers, never text. */
export interface Ledger {
  /** What it says. */
  summary(): Promise<LedgerSummary>;
  /** A line for each span of time and each route, with the boundary and the source of the energy. */
  toCSV(): Promise<string>;
  /** The summary as JSON. */
  toJSON(): Promise<string>;
  /** Begins anew, in all tabs. */
  clear(): Promise<void>;
}

/** A ledger at work. */
export class Books implements Ledger {
  readonly #records: Records;
  readonly #pending: string[] = [];
  #writing: Promise<void> | undefined;

  /**
   * @param name Whose answers these are.
   * @param read What the engine says of records.
   */
  constructor(
    name: string,
    readonly read: (records: string[]) => Promise<LedgerView>,
  ) {
    this.#records = new Records(name);
  }

  /** Has a record written down; nobody waits for that. */
  enter(record: string | undefined): void {
    if (record === undefined) return;
    this.#pending.push(record);
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  async #write(): Promise<void> {
    while (this.#pending.length > 0) await this.#records.add(this.#pending.splice(0));
  }

  async summary(): Promise<LedgerSummary> {
    await this.#writing;
    const { keys, records } = await this.#records.all();
    const { summary, watch, merged, strange } = await this.read(records);
    const own = keys.filter((_, i) => !strange.includes(i));
    if (own.length > MOST_RECORDS) await this.#records.replace(own, merged);
    const { fault } = this.#records;
    return {
      ...summary,
      watch,
      kept: fault === undefined,
      ...(fault !== undefined && { fault }),
      passedOver: strange.length,
    };
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
  'untold',
  'usd',
  'unpriced',
] as const satisfies (keyof Account['tally'])[];
const ENERGY = [
  'local_j_low',
  'local_j_high',
  'local_boundary',
  'local_source',
  'remote_j_low',
  'remote_j_high',
  'remote_boundary',
  'remote_source',
];

/** `summary` as RFC 4180 has it. */
export function toCSV({ spans, basis }: Pick<Summary, 'spans' | 'basis'>): string {
  const row = (from: number, to: number, route: string, { tally, energy_j }: Account): unknown[] => {
    const { local, remote } = energy_j;
    const energies = [
      local.low,
      local.high,
      basis.local.boundary,
      basis.local.source,
      remote?.low,
      remote?.high,
      ...(remote ? [basis.remote.boundary, basis.remote.source] : ['', '']),
    ];
    return [
      new Date(from).toISOString(),
      new Date(to).toISOString(),
      route,
      ...COUNTS.map((name) => tally[name]),
      ...energies,
    ];
  };
  const rows = spans.flatMap(({ from_ms, to_ms, routes }) =>
    (['local', 'remote', 'checks'] as const)
      .filter((route) => routes[route].tally.attempts + routes[route].tally.answers > 0)
      .map((route) => row(from_ms, to_ms, route, routes[route])),
  );
  return [['from', 'to', 'route', ...COUNTS, ...ENERGY], ...rows]
    .map((cells) => `${cells.map(quoted).join(',')}\r\n`)
    .join('');
}

function quoted(cell: unknown): string {
  const text = String(cell ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
