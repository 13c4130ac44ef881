import type { CpuBuild } from './lists.js';
import type { Build } from './types.js';

/** Where models come from, how they are kept and what runs them. One object for the page, read at each load. */
export interface Env {
  /** The folder of the page's own models; a plain model name is looked for under it. */
  localModelPath: string;
  /**
   * The host of published models, e.g. `'https://huggingface.co/'`. Empty by default: nothing is
   * fetched from a third party unless the page says from whom.
   */
  remoteHost: string;
  /** The folder of a model under `remoteHost`, with `{model}` and `{revision}`. */
  remotePathTemplate: string;
  /** Whether files are kept in the browser's Cache API. */
  useBrowserCache: boolean;
  /** Addresses of the `.wasm` files where they are not beside the scripts. */
  wasmPaths: Partial<Record<Build, string>>;
  /**
   * The build that computes on the CPU. `'auto'` takes the fastest that this browser and this page can
   * run; any other is an error where it cannot.
   */
  cpuBuild: 'auto' | CpuBuild;
  /**
   * How many threads the CPU's work is shared among, the calling one included; 0 takes half of the
   * processors, at least two and at most four. Only a page that is cross-origin isolated has more than one.
   */
  numThreads: number;
}

/** The settings of this page; change them before loading a model. */
export const env: Env = {
  localModelPath: '/models/',
  remoteHost: '',
  remotePathTemplate: '{model}/resolve/{revision}/',
  useBrowserCache: true,
  wasmPaths: {},
  cpuBuild: 'auto',
  numThreads: 0,
};
