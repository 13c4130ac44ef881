// Glue code of the builds of the WebAssembly side, loaded when it is needed: for the page's own thread. The addresses are
// literal, since a bundler must see all of them, and stand in the folder of the entry points, since a relative address in
// the sources must be the right one in `dist/` as well.
import type { Build } from './types.js';
import type * as Module from './wasm/cpu/pilot_light.js';

/** The WebAssembly side. All builds have the same interface, except for what their instances export to their glue. */
export type Wasm = Omit<typeof Module, 'default' | 'initSync'> & {
  default(options?: { module_or_path: string }): Promise<unknown>;
};

/** The glue code of each build. */
export type Glue = Record<Build, () => Wasm | Promise<Wasm>>;

export const GLUE: Glue = {
  cpu: () => import('./wasm/cpu/pilot_light.js'),
  'cpu-relaxed': () => import('./wasm/cpu-relaxed/pilot_light.js'),
  'cpu-threads': () => import('./wasm/cpu-threads/pilot_light.js'),
  gpu: () => import('./wasm/gpu/pilot_light.js'),
};
