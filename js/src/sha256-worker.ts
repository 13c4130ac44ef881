// SHA-256 worker (entry point): computes digests of files for another thread.
import { sha256 } from './io/sha256.js';
import type { Bytes } from './io/stream.js';
import { messageOf } from './shared/errors.js';

// Typed by hand: the global types of a page and of a worker cannot be used in one compilation.
const port = self as unknown as {
  onmessage: (event: MessageEvent<Bytes>) => void;
  postMessage(message: unknown, transfer?: Transferable[]): void;
};

port.onmessage = ({ data }) =>
  void sha256(data).then(
    (digest) => port.postMessage([digest, data], [data.buffer]),
    // A promise that rejects here is no error event in the other thread: it has to be reported by a message.
    (cause) => port.postMessage(messageOf(cause)),
  );
port.postMessage('ready');
