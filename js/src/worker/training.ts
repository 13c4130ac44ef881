// Training between questions: in pieces that no question waits for long.
import { breathe, pause } from '../shared/abort.js';
import { trapped } from './builds.js';
import type { Engine } from './engine.js';

/** Milliseconds that a piece should take; a question waits for one at most. */
const PIECE_MS = 8;
/** Multiplications and additions of the first piece, and of any. */
const FIRST_PIECE = 1e6;
const MOST_PIECE = 1e9;
/** While questions come, one after another within this time, training gets one part of so many. */
const BUSY_MS = 30;
const SHARE = 12;

/** The training of one cascade. */
export class Training {
  #running = false;
  #asked = 0;

  /**
   * @param piece Trains for about so many operations; returns whether there is more to do.
   * @param wanted Whether there may be anything to do at all.
   */
  constructor(
    readonly engine: Pick<Engine, 'exclusive'>,
    readonly piece: (operations: number) => boolean,
    readonly wanted: () => boolean,
  ) {}

  /** A question was asked. */
  asked(): void {
    this.#asked = performance.now();
  }

  /** Trains, if there is anything to train; nobody waits for it. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    const ended = (): void => {
      this.#running = false;
    };
    // An engine that dies of it is noticed by the next question.
    void this.#run().then(ended, ended);
  }

  async #run(): Promise<void> {
    let operations = FIRST_PIECE;
    for (let more = true; more && this.wanted(); ) {
      const busy = performance.now() - this.#asked < BUSY_MS;
      await (busy ? pause(PIECE_MS * SHARE, undefined) : breathe());
      more = await this.engine.exclusive(() =>
        trapped(async () => {
          if (!this.wanted()) return false;
          const started = performance.now();
          const left = this.piece(operations);
          const factor = PIECE_MS / Math.max(performance.now() - started, 0.1);
          operations = Math.min(MOST_PIECE, operations * Math.min(2, Math.max(0.1, factor)));
          return left;
        }),
      );
    }
  }
}
