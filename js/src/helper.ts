// The entry of a worker that helps another thread to compute, in the same memory.

import type { Instance } from './helpers.js';
import { help, initSync } from './wasm/cpu-threads/pilot_light.js';

/** Bytes of a helper's stack; the kernels keep tiles on it, and nothing large. */
const STACK_BYTES = 1 << 20;

// Typed by hand: the page's and the worker's global types cannot be used in one compilation.
const port = self as unknown as {
  onmessage: (event: MessageEvent<Instance>) => void;
  postMessage(message: 'ready'): void;
};

port.onmessage = ({ data: [module, memory] }) => {
  initSync({ module, memory, thread_stack_size: STACK_BYTES });
  port.postMessage('ready');
  // Never returns: no more messages are heard.
  help();
};
