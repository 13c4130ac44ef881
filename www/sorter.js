/** Messages asked at once: while the remote thinks about some, the next is read here. */
const WIDTH = 5;

/**
 * Puts messages to `ask`, a few at a time and in order, and tells what came of each. One that fails
 * does not hold up the others.
 */
export class Sorter {
  #waiting = [];
  #asking = new Map();
  #controller = new AbortController();

  /**
   * @param {(message: object, signal: AbortSignal) => Promise<object>} ask
   * @param {{ started(message): void, answered(message, envelope): void, failed(message, error): void, idle(): void }} told
   */
  constructor(ask, told) {
    this.ask = ask;
    this.told = told;
  }

  /** How many have no answer yet. */
  get open() {
    return this.#waiting.length + this.#asking.size;
  }

  /** Queues `messages`, with `first` before those that wait already. */
  add(messages, { first = false } = {}) {
    this.#waiting = first ? [...messages, ...this.#waiting] : [...this.#waiting, ...messages];
    this.#next();
  }

  /** Forgets what waits and aborts what is asked, which fails with kind 'cancelled'; resolves once it has. */
  async stop() {
    this.#waiting = [];
    this.#controller.abort();
    this.#controller = new AbortController();
    await Promise.all(this.#asking.values());
  }

  #next() {
    while (this.#asking.size < WIDTH && this.#waiting.length > 0) {
      const message = this.#waiting.shift();
      this.#asking.set(message, this.#run(message, this.#controller.signal));
    }
  }

  async #run(message, signal) {
    this.told.started(message);
    try {
      this.told.answered(message, await this.ask(message, signal));
    } catch (error) {
      this.told.failed(message, error);
    }
    this.#asking.delete(message);
    this.#next();
    if (this.open === 0) this.told.idle();
  }
}
