// Settings of the page.
import type { CpuBuild } from '../shared/lists.js';
import type { Build } from '../types.js';

/** Where models come from, how they are cached and what runs them. One object for the page, read at each load. */
export interface Env {
  /** The folder of the page's own models; a plain model name is looked for under it. */
  localModelPath: string;
  /**
   * The host of published models, e.g. `'https://huggingface.co/'`. Empty by default: nothing is
   * fetched from a third party unless the page names one.
   */
  remoteHost: string;
  /** The folder of a model under `remoteHost`, with `{model}` and `{revision}`. */
  remotePathTemplate: string;
  /** Whether files are cached in the browser's Cache API. */
  useBrowserCache: boolean;
  /**
   * The address of the package's `worker.js`, where a bundler leaves it out or it is elsewhere; the other files of
   * `dist/` are found next to it. Empty by default: it is next to the scripts.
   */
  workerUrl: string | URL;
  /** Addresses of the `.wasm` files where they are not next to the scripts. */
  wasmPaths: Partial<Record<Build, string>>;
  /**
   * The build that computes on the CPU. `'auto'` takes the fastest that this browser and this page can
   * run; any other is an error where it cannot run.
   */
  cpuBuild: 'auto' | CpuBuild;
  /**
   * How many threads share the CPU's work, including the calling one; 0 takes half of the
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
  workerUrl: '',
  wasmPaths: {},
  cpuBuild: 'auto',
  numThreads: 0,
};
