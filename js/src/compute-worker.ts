// Compute worker (entry point): a thread of the 'cpu-threads' build, which runs the same module over the same memory.
import { help, initSync } from './wasm/cpu-threads/pilot_light.js';
import type { Instance } from './worker/compute-pool.js';

/** Bytes of the thread's stack; the kernels keep tiles on it, and nothing large. */
const STACK_BYTES = 1 << 20;

// Typed by hand: the global types of a page and of a worker cannot be used in one compilation.
const port = self as unknown as {
  onmessage: (event: MessageEvent<Instance>) => void;
  postMessage(message: 'ready'): void;
};

port.onmessage = ({ data: [module, memory] }) => {
  initSync({ module, memory, thread_stack_size: STACK_BYTES });
  port.postMessage('ready');
  // Never returns: no further messages are received.
  help();
};
