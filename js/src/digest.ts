import type { Bytes } from './body.js';
import { PilotLightError } from './errors.js';

/** Fewer bytes are digested before a worker has begun. */
const LEAST_BYTES = 1 << 20;

/**
 * Digests a file that comes. Browsers may do so on the thread that asks, a quarter of a gigabyte a second, so that a
 * large one is given to a worker, which starts while the file comes. Where none can be had, or none is ready in time,
 * it is digested here.
 */
export class Digester {
  readonly #worker: Worker | undefined;
  #ready = false;

  /** For a file of so many `bytes`, where that is known. */
  constructor(bytes: number | undefined, start: () => Worker = startDigester) {
    if (bytes === undefined || bytes < LEAST_BYTES) return;
    try {
      this.#worker = start();
      this.#worker.onmessage = () => (this.#ready = true);
      this.#worker.onerror = (event) => event.preventDefault();
    } catch {
      // It is done here.
    }
  }

  /**
   * The SHA-256 of `bytes` in hexadecimal, and the bytes, whose buffer may be another afterwards. Nothing else is in it.
   *
   * @throws PilotLightError kind 'unsupported' where the page may not digest, 'invalid-artefact' where the worker fails.
   */
  async sha256(bytes: Bytes): Promise<[string, Bytes]> {
    if (globalThis.crypto?.subtle === undefined) {
      throw new PilotLightError(
        'unsupported',
        'The digest that this model names cannot be checked: the page is not a secure context (https, or localhost).',
      );
    }
    const worker = this.#worker;
    if (worker === undefined || !this.#ready) return [await sha256(bytes), bytes];
    return new Promise((resolve, reject) => {
      const fail = (message: string): void =>
        reject(
          new PilotLightError('invalid-artefact', `A file could not be digested: ${message}`, { retryable: true }),
        );
      worker.onmessage = ({ data }: MessageEvent<[string, Bytes] | string>) =>
        typeof data === 'string' ? fail(data) : resolve(data);
      worker.onmessageerror = () => fail('it could not be handed over');
      worker.onerror = (event) => {
        event.preventDefault();
        fail(event.message);
      };
      worker.postMessage(bytes, [bytes.buffer]);
    });
  }

  /** Lets go of the worker. */
  end(): void {
    this.#worker?.terminate();
  }
}

/** The SHA-256 of `bytes` in hexadecimal, by the browser. */
export async function sha256(bytes: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function startDigester(): Worker {
  return new Worker(new URL('./digester.js', import.meta.url), { type: 'module' });
}
