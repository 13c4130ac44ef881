// A queue with bounded concurrency for messages to be sorted.

/** Messages in progress at once: while the remote answers some, the next is sorted here. */
const CONCURRENCY = 5;

/** Passes messages to `ask` in order, a few at a time, and reports each result. A failure does not hold up the others. */
export class MessageQueue {
  #waiting = [];
  #asking = new Map();
  #controller = new AbortController();

  /**
   * @param {(message: object, signal: AbortSignal) => Promise<object>} ask
   * @param {{ started(message): void, answered(message, envelope): void, failed(message, error): void, idle(): void }} listener
   */
  constructor(ask, listener) {
    this.ask = ask;
    this.listener = listener;
  }

  /** The number of messages that wait or are in progress. */
  get open() {
    return this.#waiting.length + this.#asking.size;
  }

  /** Queues `messages`; with `first`, ahead of those that already wait. */
  add(messages, { first = false } = {}) {
    this.#waiting = first ? [...messages, ...this.#waiting] : [...this.#waiting, ...messages];
    this.#next();
  }

  /** Drops what waits and aborts what is in progress (it fails with kind 'cancelled'); resolves when all have ended. */
  async stop() {
    this.#waiting = [];
    this.#controller.abort();
    this.#controller = new AbortController();
    await Promise.all(this.#asking.values());
  }

  #next() {
    while (this.#asking.size < CONCURRENCY && this.#waiting.length > 0) {
      const message = this.#waiting.shift();
      this.#asking.set(message, this.#run(message, this.#controller.signal));
    }
  }

  async #run(message, signal) {
    this.listener.started(message);
    try {
      this.listener.answered(message, await this.ask(message, signal));
    } catch (error) {
      this.listener.failed(message, error);
    }
    this.#asking.delete(message);
    this.#next();
    if (this.open === 0) this.listener.idle();
  }
}
