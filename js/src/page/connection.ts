// Connections to an engine: in a worker of its own, or in the caller's thread.
import { startEngineWorker } from '../bundle.js';
import type { ProgressCallback, ProgressInfo } from '../io/progress.js';
import type { Connection, FromWorker, RequestOptions, ToWorker } from '../protocol/messages.js';
import type { Args, Op, Result } from '../protocol/requests.js';
import { abortable, breathe } from '../shared/abort.js';
import { cancelled, fromFacts, messageOf, PilotLightError } from '../shared/errors.js';
import { callListener } from '../shared/listener.js';
import { plain } from '../shared/plain.js';
import { Engine } from '../worker/engine.js';

interface Pending {
  resolve: (result: Result<Op>) => void;
  reject: (error: PilotLightError) => void;
  onProgress: ProgressCallback | undefined;
  onPiece: RequestOptions['onPiece'];
}

/** An engine in a worker of its own. */
export class WorkerConnection implements Connection {
  dead: PilotLightError | undefined;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #answered = false;

  /** @throws PilotLightError kind 'backend-unavailable' where no worker can be had. */
  constructor(start: () => Worker = startEngineWorker) {
    try {
      this.#worker = start();
    } catch (cause) {
      const message = `A worker could not be started (worker: false does the work in place): ${messageOf(cause)}`;
      throw new PilotLightError('backend-unavailable', message, { cause });
    }
    this.#worker.onmessage = (event: MessageEvent<FromWorker>) => this.#receive(event.data);
    this.#worker.onmessageerror = () =>
      this.#die(new PilotLightError('internal', 'A message of the worker could not be read.', { retryable: true }));
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#die(this.#errorOf(event.message));
    };
  }

  request<K extends Op>(
    op: K,
    args: Args<K>,
    { signal, onProgress, onPiece }: RequestOptions = {},
  ): Promise<Result<K>> {
    return new Promise<Result<K>>((resolve, reject) => {
      if (this.dead) throw this.dead;
      if (signal?.aborted) throw cancelled(signal);
      const id = ++this.#lastId;
      const onAbort = (): void => {
        this.#pending.delete(id);
        reject(cancelled(signal as AbortSignal));
        void this.#postAbort(id);
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
        onPiece,
      });
    });
  }

  close(): void {
    this.#die(new PilotLightError('invalid-input', 'The worker was closed.'));
  }

  /** What an error event of the worker means. */
  #errorOf(message: string): PilotLightError {
    if (this.#answered) return new PilotLightError('internal', `The worker stopped: ${message}`, { retryable: true });
    const why = message || 'its script could not be loaded';
    return new PilotLightError('backend-unavailable', `The worker could not be started: ${why}`);
  }

  /**
   * Has the worker stop a request, unless the caller that aborted it closes the connection now. The worker would end
   * those that it has started at the moment at which it is ended itself, and Chromium would leave some of them running.
   */
  async #postAbort(id: number): Promise<void> {
    await breathe();
    if (this.dead === undefined) this.#post({ abort: id });
  }

  #post(message: ToWorker): void {
    try {
      try {
        this.#worker.postMessage(message);
      } catch {
        this.#worker.postMessage(plain(message));
      }
    } catch (cause) {
      const why = `The options cannot be passed to the worker: ${messageOf(cause)}`;
      throw new PilotLightError('invalid-input', why, { cause });
    }
  }

  #receive(message: FromWorker): void {
    this.#answered = true;
    const pending = this.#pending.get(message.id);
    if ('progress' in message) {
      report(pending?.onProgress, message.progress);
      return;
    }
    if ('piece' in message) {
      pending?.onPiece?.(message.piece);
      return;
    }
    this.#pending.delete(message.id);
    if ('result' in message) {
      pending?.resolve(message.result);
      return;
    }
    // Even an answer that nobody waits for any more may say that the engine is dead.
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

  request<K extends Op>(
    op: K,
    args: Args<K>,
    { signal, onProgress, onPiece }: RequestOptions = {},
  ): Promise<Result<K>> {
    const options = { signal, onProgress: (info: ProgressInfo) => report(onProgress, info), onPiece };
    return abortable(this.#engine.handle(op, args, options), signal);
  }

  close(): void {
    this.#engine.dead ??= new PilotLightError('invalid-input', 'The engine was closed.');
  }
}

function report(onProgress: ProgressCallback | undefined, info: ProgressInfo): void {
  callListener(() => onProgress?.(info));
}
