import { abortable } from './abort.js';
import { Engine } from './engine.js';
import { cancelled, fromFacts, messageOf, PilotLightError } from './errors.js';
import type { ProgressCallback } from './progress.js';
import type { Args, Connection, FromWorker, Op, RequestOptions, Result, ToWorker } from './protocol.js';

interface Pending {
  resolve: (result: Result<Op>) => void;
  reject: (error: PilotLightError) => void;
  onProgress: ProgressCallback | undefined;
}

/** An engine in a worker of its own. */
export class WorkerConnection implements Connection {
  dead: PilotLightError | undefined;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #answered = false;

  /** @throws PilotLightError kind 'backend-unavailable' where no worker can be had. */
  constructor(start: () => Worker = startWorker) {
    try {
      this.#worker = start();
    } catch (cause) {
      throw new PilotLightError(
        'backend-unavailable',
        `A worker could not be started (worker: false does the work in place): ${messageOf(cause)}`,
        { cause },
      );
    }
    this.#worker.onmessage = (event: MessageEvent<FromWorker>) => this.#receive(event.data);
    this.#worker.onmessageerror = () =>
      this.#die(new PilotLightError('internal', 'A message of the worker could not be read.', { retryable: true }));
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#die(
        this.#answered
          ? new PilotLightError('internal', `The worker stopped: ${event.message}`, { retryable: true })
          : new PilotLightError(
              'backend-unavailable',
              `The worker could not be started: ${event.message || 'its script could not be loaded'}`,
            ),
      );
    };
  }

  request<K extends Op>(op: K, args: Args<K>, { signal, onProgress }: RequestOptions = {}): Promise<Result<K>> {
    return new Promise<Result<K>>((resolve, reject) => {
      if (this.dead) throw this.dead;
      if (signal?.aborted) throw cancelled(signal);
      const id = ++this.#lastId;
      const onAbort = (): void => {
        this.#pending.delete(id);
        this.#post({ abort: id });
        reject(cancelled(signal as AbortSignal));
      };
      const settled = (): void => signal?.removeEventListener('abort', onAbort);
      this.#post({ id, op, args: args as Args<Op> });
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#pending.set(id, {
        resolve: (result) => {
          settled();
          resolve(result as Result<K>);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
        onProgress,
      });
    });
  }

  close(): void {
    this.#die(new PilotLightError('invalid-input', 'The worker was closed.'));
  }

  #post(message: ToWorker): void {
    try {
      this.#worker.postMessage(message);
    } catch (cause) {
      throw new PilotLightError('invalid-input', `The options cannot be passed to the worker: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  #receive(message: FromWorker): void {
    this.#answered = true;
    const pending = this.#pending.get(message.id);
    if ('progress' in message) {
      tell(pending?.onProgress, message.progress);
      return;
    }
    this.#pending.delete(message.id);
    if ('result' in message) {
      pending?.resolve(message.result);
      return;
    }
    // Even an answer that nobody waits for any more may bring the news that the engine is dead.
    if (message.dead) this.#die(fromFacts(message.dead));
    pending?.reject(fromFacts(message.error));
  }

  #die(error: PilotLightError): void {
    this.dead ??= error;
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(this.dead);
    this.#pending.clear();
  }
}

/** An engine in the caller's own thread. */
export class InPlaceConnection implements Connection {
  readonly #engine: Engine;

  constructor(engine = new Engine()) {
    this.#engine = engine;
  }

  get dead(): PilotLightError | undefined {
    return this.#engine.dead;
  }

  request<K extends Op>(op: K, args: Args<K>, { signal, onProgress }: RequestOptions = {}): Promise<Result<K>> {
    const heard = onProgress && ((info: Parameters<ProgressCallback>[0]) => tell(onProgress, info));
    return abortable(this.#engine.handle(op, args, { signal, onProgress: heard }), signal);
  }

  close(): void {
    this.#engine.dead ??= new PilotLightError('invalid-input', 'The engine was closed.');
  }
}

function startWorker(): Worker {
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
}

/** A listener that throws is the page's error to see, and must not stop the load. */
function tell(onProgress: ProgressCallback | undefined, info: Parameters<ProgressCallback>[0]): void {
  try {
    onProgress?.(info);
  } catch (error) {
    reportError(error);
  }
}
