// Pool of compute workers: threads that share this thread's WebAssembly memory and help it to compute.
import { startComputeWorker } from '../bundle.js';
import { messageOf } from '../shared/errors.js';

/** A module and the memory that its threads share. */
export type Instance = [WebAssembly.Module, WebAssembly.Memory];

/** A worker that loads but never answers must not keep a page waiting for ever. */
const TIMEOUT_MS = 10_000;

/** The workers of this thread. They live as long as its WebAssembly instance, which is as long as the thread. */
export class ComputePool {
  /** Why there are fewer workers than requested. */
  fault: string | undefined;
  readonly #workers: Worker[] = [];

  /** Starts the workers at once, so that their scripts load while the module is compiled. */
  constructor(count: number, start: () => Worker = startComputeWorker) {
    try {
      while (this.#workers.length < count) this.#workers.push(start());
    } catch (cause) {
      this.fault = messageOf(cause);
    }
  }

  /** Gives the workers the instance; returns how many of them are ready. */
  async join(instance: Instance): Promise<number> {
    const joined = await Promise.all(this.#workers.map((worker) => this.#ready(worker, instance)));
    return joined.filter(Boolean).length;
  }

  /** Ends the workers, before they have an instance. */
  end(): void {
    for (const worker of this.#workers) worker.terminate();
  }

  async #ready(worker: Worker, instance: Instance): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const fault = await new Promise<string | undefined>((resolve) => {
      worker.onmessage = () => resolve(undefined);
      worker.onerror = (event) => {
        event.preventDefault();
        worker.terminate();
        resolve(event.message || 'its script could not be loaded');
      };
      // A worker that answers later helps as well; it is only not counted.
      timer = setTimeout(() => resolve(`no answer within ${TIMEOUT_MS} ms`), TIMEOUT_MS);
      worker.postMessage(instance);
    });
    clearTimeout(timer);
    this.fault ??= fault;
    return fault === undefined;
  }
}
