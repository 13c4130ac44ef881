// Waiters: questions that wait for their turn with a remote model. The WebAssembly side decides whose turn it is.
import { abortable } from '../shared/abort.js';

/** The questions of one cascade that wait. */
export class Waiters {
  readonly #waiting = new Map<string, () => void>();
  /** Those that were woken before they began to wait. */
  readonly #early = new Set<string>();

  /** Lets the question go on. */
  wake(generation: number, call: number): void {
    const key = keyOf(generation, call);
    const wake = this.#waiting.get(key);
    if (wake) wake();
    else this.#early.add(key);
  }

  /** Resolves when the question may go on, and after `ms` in any case. */
  async wait(generation: number, call: number, ms: number, signal: AbortSignal | undefined): Promise<void> {
    const key = keyOf(generation, call);
    if (this.#early.delete(key)) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const woken = new Promise<void>((resolve) => {
      this.#waiting.set(key, resolve);
      timer = setTimeout(resolve, ms);
    });
    await abortable(woken, signal).finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(key);
    });
  }

  /** The question has ended. */
  forget(generation: number, call: number): void {
    this.#early.delete(keyOf(generation, call));
  }

  /** Lets all questions go on: the engine that they waited in is gone. */
  wakeAll(): void {
    for (const wake of this.#waiting.values()) wake();
  }
}

function keyOf(generation: number, call: number): string {
  return `${generation} ${call}`;
}
