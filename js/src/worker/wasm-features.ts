// WebAssembly feature detection: what this browser supports beyond the baseline of every build.

/** The features that builds need. */
export interface WasmFeatures {
  /** Relaxed SIMD: fused multiply-add, and the dot product of bytes. */
  relaxedSimd: boolean;
  /** Why memory cannot be shared between threads; undefined where it can. */
  noThreads: string | undefined;
  /** How many processors there are. */
  cores: number;
}

/** A module of a single function that adds two products of bytes: `i16x8.relaxed_dot_i8x16_i7x16_s`. */
// biome-ignore format: a line for each section
const RELAXED_SIMD = Uint8Array.of(
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // magic number and version
  1, 4, 1, 0x60, 0, 0, // type: no parameters, no results
  3, 2, 1, 0, // one function of that type
  10, 16, 1, 14, 0, // its code, without locals
  0x41, 1, 0xfd, 15, 0x41, 2, 0xfd, 15, // i32.const 1, i8x16.splat, i32.const 2, i8x16.splat
  0xfd, 0x92, 2, // the dot product
  0x1a, 11, // drop, end
);

/** What this thread supports. */
export function detectFeatures(): WasmFeatures {
  const cores = globalThis.navigator?.hardwareConcurrency ?? 1;
  return { relaxedSimd: WebAssembly.validate(RELAXED_SIMD), noThreads: whyNoThreads(cores), cores };
}

function whyNoThreads(cores: number): string | undefined {
  if (globalThis.SharedArrayBuffer === undefined || globalThis.crossOriginIsolated === false) {
    return 'the page is not cross-origin isolated';
  }
  return cores < 2 ? 'there is one processor' : undefined;
}
