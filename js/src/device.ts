import type { LoadArgs } from './protocol.js';
import type { DeviceReport, DType } from './types.js';

/** Types of weights whose products are made of integers. */
const INTEGERS: ReadonlySet<DType> = new Set<DType>(['int8', 'q8', 'uint8']);

/** What a model with weights of this type is told of its device: integers are multiplied on the CPU alone. */
export function deviceOf(report: DeviceReport, dtype: DType, { graph }: Pick<LoadArgs, 'graph'>): DeviceReport {
  const integers = INTEGERS.has(dtype) || graph?.options.int8 === true;
  if (report.kind !== 'webgpu' || !integers) return report;
  return { ...report, reason: `${report.reason} Layers of 8 bits run on the CPU.` };
}
