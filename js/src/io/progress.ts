// Progress events of a load, in the form of transformers.js v4.

/** One event. */
export type ProgressInfo =
  | { status: 'initiate' | 'download' | 'done'; name: string; file: string }
  | { status: 'progress'; name: string; file: string; progress: number; loaded: number; total: number }
  | ProgressTotal
  | { status: 'ready'; task: string; model: string };

/** Progress of all files together; `progress` goes from 0 to 100 and never back. */
export interface ProgressTotal {
  status: 'progress_total';
  name: string;
  progress: number;
  loaded: number;
  total: number;
  files: Record<string, { loaded: number; total: number }>;
}

/** Receives the progress of a load. */
export type ProgressCallback = (info: ProgressInfo) => void;

/** A round of fewer bytes is over before a bar could show it, and would send the bar to 100 too early. */
const SMALL_ROUND_BYTES = 1 << 20;

/** Turns what happens to single files into events of each file and of all together. */
export class Progress {
  #files: Record<string, { loaded: number; total: number }> = {};
  #unsized = new Set<string>();
  #highest = 0;

  /** @param name The model, as the caller named it. */
  constructor(
    readonly name: string,
    readonly emit: ProgressCallback,
  ) {}

  /** A file will be fetched. */
  initiate(file: string): void {
    this.#unsized.add(file);
    this.emit({ status: 'initiate', name: this.name, file });
  }

  /** Its server answered. */
  download(file: string): void {
    this.emit({ status: 'download', name: this.name, file });
  }

  /** `loaded` of its `total` bytes have arrived; `total` is undefined while the server has not given it. */
  progress(file: string, loaded: number, total: number | undefined): void {
    if (total === undefined) {
      this.emit({ status: 'progress', name: this.name, file, progress: 0, loaded, total: 0 });
      return;
    }
    this.#files[file] = { loaded, total };
    this.#unsized.delete(file);
    this.emit({ status: 'progress', name: this.name, file, progress: percent(loaded, total), loaded, total });
    this.#emitTotal(SMALL_ROUND_BYTES);
  }

  /** It has arrived whole. */
  done(file: string): void {
    this.emit({ status: 'done', name: this.name, file });
  }

  /** It is optional and does not exist. */
  absent(file: string): void {
    this.#unsized.delete(file);
    delete this.#files[file];
    this.emit({ status: 'done', name: this.name, file });
  }

  /** The model can be used. */
  ready(task: string): void {
    this.#unsized.clear();
    this.#emitTotal(0);
    this.emit({ status: 'ready', task, model: this.name });
  }

  /** Held back until the size of every file of the round is known: a bar must not run back. */
  #emitTotal(atLeast: number): void {
    if (this.#unsized.size > 0) return;
    let loaded = 0;
    let total = 0;
    for (const file of Object.values(this.#files)) {
      loaded += file.loaded;
      total += file.total;
    }
    if (total < atLeast) return;
    this.#highest = Math.max(this.#highest, percent(loaded, total));
    const files = structuredClone(this.#files);
    this.emit({ status: 'progress_total', name: this.name, progress: this.#highest, loaded, total, files });
  }
}

function percent(loaded: number, total: number): number {
  return total > 0 ? (loaded / total) * 100 : 100;
}
