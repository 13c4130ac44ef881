// SHA-256 of files, in a worker where one is ready.
import { startSha256Worker } from '../bundle.js';
import { PilotLightError } from '../shared/errors.js';
import type { Bytes } from './stream.js';

/** Fewer bytes than these are digested before a worker has started. */
const MIN_WORKER_BYTES = 1 << 20;
/**
 * How long a worker lives on that is not needed any more. A load that fails ends this thread as well, where it is a
 * worker, and Chromium leaves both running if one is ended just after the other.
 */
const LINGER_MS = 2000;

/** A worker's answer: the digest and the bytes, or what went wrong. */
type Answer = [digest: string, bytes: Bytes] | string;

/**
 * Digests one file. Browsers may do so on the calling thread, at a quarter of a gigabyte a second, so a large file is
 * given to a worker, which starts while the file is downloaded. Where no worker can be had, or none is ready in time,
 * the file is digested by the browser's own function, called from here.
 */
export class Sha256 {
  readonly #worker: Worker | undefined;
  #ready = false;

  /** @param bytes The length of the file, where it is known. */
  constructor(bytes: number | undefined, start: () => Worker = startSha256Worker) {
    if (bytes === undefined || bytes < MIN_WORKER_BYTES) return;
    try {
      this.#worker = start();
      this.#worker.onmessage = () => {
        this.#ready = true;
      };
      this.#worker.onerror = (event) => event.preventDefault();
    } catch {
      // Without a worker it is done here.
    }
  }

  /**
   * The SHA-256 of `bytes` in hexadecimal, and the bytes, which may be in another buffer afterwards: the one that is
   * given must hold nothing else.
   *
   * @throws PilotLightError kind 'unsupported' where the page may not compute digests, 'invalid-artefact' where the
   * worker fails.
   */
  async digest(bytes: Bytes): Promise<[digest: string, bytes: Bytes]> {
    if (globalThis.crypto?.subtle === undefined) {
      throw new PilotLightError(
        'unsupported',
        'The digest that this model names cannot be checked: the page is not a secure context (https, or localhost).',
      );
    }
    const worker = this.#worker;
    if (worker === undefined || !this.#ready) return [await sha256(bytes), bytes];
    return new Promise((resolve, reject) => {
      const fail = (message: string): void => {
        const words = `The digest of a file could not be computed: ${message}`;
        reject(new PilotLightError('invalid-artefact', words, { retryable: true }));
      };
      worker.onmessage = ({ data }: MessageEvent<Answer>) => (typeof data === 'string' ? fail(data) : resolve(data));
      worker.onmessageerror = () => fail('the answer of the worker could not be read');
      worker.onerror = (event) => {
        event.preventDefault();
        fail(event.message);
      };
      worker.postMessage(bytes, [bytes.buffer]);
    });
  }

  /** Ends the worker, a while later. */
  end(): void {
    const worker = this.#worker;
    if (worker !== undefined) setTimeout(() => worker.terminate(), LINGER_MS);
  }
}

/** The SHA-256 of `bytes` in hexadecimal, by the browser. */
export async function sha256(bytes: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
