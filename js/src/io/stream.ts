// Reading of byte streams.
import { throwIfAborted } from '../shared/abort.js';

/**
 * Bytes in a buffer that is not shared. Written so that TypeScript before 5.7, whose arrays are not generic, reads it.
 */
export type Bytes = ReturnType<Uint8Array['slice']>;

/** Enough bytes to tell an HTML page from a model's file. */
const PEEK_BYTES = 64;

/**
 * The bytes of `stream` as they arrive. The first part is long enough to be recognised, if there are that many bytes;
 * there is always one part. A failure of the stream is thrown as the error that `broken` makes.
 */
export async function* readParts(
  stream: ReadableStream<Bytes> | null,
  signal: AbortSignal,
  broken: (cause: unknown) => Error,
): AsyncGenerator<Bytes, void, undefined> {
  const reader = stream?.getReader();
  const next = async (): Promise<Bytes | undefined> => {
    try {
      return (await reader?.read())?.value;
    } catch (cause) {
      throwIfAborted(signal);
      throw broken(cause);
    }
  };
  try {
    let part: Bytes | undefined = new Uint8Array(0);
    let more = await next();
    while (more !== undefined) {
      part = joined(part, more);
      more = part.length < PEEK_BYTES ? await next() : undefined;
    }
    for (; part !== undefined; part = await next()) {
      throwIfAborted(signal);
      yield part;
    }
  } finally {
    // A reader that stops early leaves a connection that nobody can use any more.
    void reader?.cancel().catch(() => undefined);
  }
}

function joined(one: Bytes, other: Bytes): Bytes {
  if (one.length === 0) return other;
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/** Collects bytes in one buffer, which has the announced length and grows if more arrive. */
export class ByteBuffer {
  #buffer: Bytes;
  #length = 0;

  constructor(announced: number | undefined) {
    this.#buffer = new Uint8Array(announced ?? 1 << 16);
  }

  get bytes(): Bytes {
    return this.#buffer.subarray(0, this.#length);
  }

  push(part: Bytes): void {
    const length = this.#length + part.length;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(2 * this.#buffer.length, length));
      larger.set(this.bytes);
      this.#buffer = larger;
    }
    this.#buffer.set(part, this.#length);
    this.#length = length;
  }
}
