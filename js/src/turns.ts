import { abortable } from './abort.js';

/** Questions that wait for their turn with the general model; the WebAssembly side says whose it is. */
export class Turns {
  readonly #waiting = new Map<string, () => void>();
  /** Those that were let go on before they began to wait. */
  readonly #early = new Set<string>();

  /** Lets the question go on. */
  start(generation: number, call: number): void {
    const key = keyOf(generation, call);
    const go = this.#waiting.get(key);
    if (go) go();
    else this.#early.add(key);
  }

  /** Resolves when the question may go on, and after `ms` in any case. */
  async wait(generation: number, call: number, ms: number, signal: AbortSignal | undefined): Promise<void> {
    const key = keyOf(generation, call);
    if (this.#early.delete(key)) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const turn = new Promise<void>((resolve) => {
      this.#waiting.set(key, resolve);
      timer = setTimeout(resolve, ms);
    });
    await abortable(turn, signal).finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(key);
    });
  }

  /** The question has ended. */
  forget(generation: number, call: number): void {
    this.#early.delete(keyOf(generation, call));
  }

  /** Lets everybody go on: the engine that they waited in is gone. */
  startAll(): void {
    for (const go of this.#waiting.values()) go();
  }
}

function keyOf(generation: number, call: number): string {
  return `${generation} ${call}`;
}
