import { throwIfAborted } from './abort.js';

export type Bytes = Uint8Array<ArrayBuffer>;

/** As many bytes as tell a page from a model's file. */
const PEEK_BYTES = 64;

/**
 * The bytes of `stream` as they come. The first part is long enough to be judged by, if there are as
 * many bytes; there is always one. What goes wrong with the stream is thrown as `broken` makes it.
 */
export async function* parts(
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
    for (let more = await next(); more !== undefined; more = part.length < PEEK_BYTES ? await next() : undefined)
      part = joined(part, more);
    for (; part !== undefined; part = await next()) {
      throwIfAborted(signal);
      yield part;
    }
  } finally {
    // Whoever wants no more of it leaves a connection behind that is good for nothing.
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

/** Bytes that are collected in one buffer, which is as long as announced and grows where more come. */
export class Whole {
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
