// Streams of a reply's text: readable streams that every browser can also iterate over.

/** A reply as it grows. A reader that goes away ends the reply. */
export type TextStream<R> = ReadableStream<string> &
  AsyncIterable<string> & {
    /** The whole reply, once it is there. */
    readonly result: Promise<R>;
  };

/** A stream of the texts that `work` emits. The signal that it is given aborts once nobody reads any more. */
export function textStream<R>(work: (emit: (text: string) => void, signal: AbortSignal) => Promise<R>): TextStream<R> {
  const left = new AbortController();
  let controller: ReadableStreamDefaultController<string> | undefined;
  const stream = new ReadableStream<string>({
    start: (given) => {
      controller = given;
    },
    cancel: (reason) => left.abort(reason),
  });
  const emit = (text: string): void => {
    if (!left.signal.aborted) controller?.enqueue(text);
  };
  const result = work(emit, left.signal);
  result.then(
    () => left.signal.aborted || controller?.close(),
    (error) => left.signal.aborted || controller?.error(error),
  );
  return Object.defineProperties(stream, {
    result: { value: result, enumerable: true },
    // Not every browser has it.
    [Symbol.asyncIterator]: { value: () => pieces(stream) },
  }) as TextStream<R>;
}

async function* pieces(stream: ReadableStream<string>): AsyncGenerator<string, void, undefined> {
  const reader = stream.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
  } finally {
    // One that has failed says so to its reader alone.
    await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}
