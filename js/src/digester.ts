// The entry of a worker that digests files for another thread.
import type { Bytes } from './body.js';
import { sha256 } from './digest.js';
import { messageOf } from './errors.js';

// Typed by hand: the page's and the worker's global types cannot be used in one compilation.
const port = self as unknown as {
  onmessage: (event: MessageEvent<Bytes>) => void;
  postMessage(message: unknown, transfer?: Transferable[]): void;
};

port.onmessage = ({ data }) =>
  void sha256(data).then(
    (digest) => port.postMessage([digest, data], [data.buffer]),
    // A promise that is refused here is not an error there: whoever waits has to be told.
    (cause) => port.postMessage(messageOf(cause)),
  );
port.postMessage('ready');
