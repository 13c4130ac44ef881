// Lists of accepted names: one list each, which is complete or does not compile.
import type { Build, DeviceChoice } from '../types.js';

/**
 * The devices that can be requested: `'auto'` takes WebGPU where it is available and computes correctly, else the CPU
 * (`'wasm'`).
 */
export const DEVICES = complete<DeviceChoice>()(['auto', 'wasm', 'webgpu']);

/** All builds of the WebAssembly side: those for the CPU first, the fastest before the slower ones. */
export const BUILDS = complete<Build>()(['cpu-threads', 'cpu-relaxed', 'cpu', 'gpu']);

/** The builds that compute on the CPU alone. */
export type CpuBuild = Exclude<Build, 'gpu'>;

/** The builds that compute on the CPU alone, the fastest first. */
export const CPU_BUILDS = BUILDS.filter((build): build is CpuBuild => build !== 'gpu');

/** The values of `env.cpuBuild`. */
export const CPU_BUILD_CHOICES = ['auto', ...CPU_BUILDS] as const;

/** A list of members of `U`, which does not compile where one of them is missing. */
export function complete<U extends PropertyKey>() {
  return <const L extends readonly U[]>(list: [Exclude<U, L[number]>] extends [never] ? L : never): L => list;
}

/** `names` as words of a message. */
export function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}
