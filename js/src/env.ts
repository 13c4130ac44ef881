/** Where models come from and how they are kept. One object for the page, read at each load. */
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
  wasmPaths: { cpu?: string; gpu?: string };
}

/** The settings of this page; change them before loading a model. */
export const env: Env = {
  localModelPath: '/models/',
  remoteHost: '',
  remotePathTemplate: '{model}/resolve/{revision}/',
  useBrowserCache: true,
  wasmPaths: {},
};
