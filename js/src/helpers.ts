import { messageOf } from './errors.js';

/** A module and the memory that the threads of it share. */
export type Instance = [WebAssembly.Module, WebAssembly.Memory];

/** Workers that help this thread to compute. They live as long as it, as its WebAssembly instance does. */
export class Helpers {
  /** Why there are fewer than were asked for. */
  fault: string | undefined;
  readonly #workers: Worker[] = [];

  /** Starts them at once, so that their scripts load while the module is compiled. */
  constructor(count: number, start: () => Worker = startHelper) {
    try {
      while (this.#workers.length < count) this.#workers.push(start());
    } catch (cause) {
      this.fault = messageOf(cause);
    }
  }

  /** Gives them the instance; how many take part. */
  async join(instance: Instance): Promise<number> {
    const joined = await Promise.all(this.#workers.map((worker) => this.#ready(worker, instance)));
    return joined.filter(Boolean).length;
  }

  /** Lets go of them before they have an instance. */
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
      // One that answers later helps as well; it is only not counted.
      timer = setTimeout(() => resolve(`no answer for ${PATIENCE_MS} ms`), PATIENCE_MS);
      worker.postMessage(instance);
    });
    clearTimeout(timer);
    this.fault ??= fault;
    return fault === undefined;
  }
}

/** A worker that is loaded but not heard of must not keep a page waiting for ever. */
const PATIENCE_MS = 10_000;

function startHelper(): Worker {
  return new Worker(new URL('./helper.js', import.meta.url), { type: 'module' });
}
