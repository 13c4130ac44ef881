// Glue code of the builds of the WebAssembly side, imported at once: for workers. Some bundlers make one file of a worker,
// which can import nothing later, and a service worker may not.
import type { Glue } from './glue.js';
import * as cpu from './wasm/cpu/pilot_light.js';
import * as relaxed from './wasm/cpu-relaxed/pilot_light.js';
import * as threads from './wasm/cpu-threads/pilot_light.js';
import * as gpu from './wasm/gpu/pilot_light.js';

export const STATIC_GLUE: Glue = {
  cpu: () => cpu,
  'cpu-relaxed': () => relaxed,
  'cpu-threads': () => threads,
  gpu: () => gpu,
};
