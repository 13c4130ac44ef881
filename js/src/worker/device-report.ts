// Device report of one model: what of it runs on which device.
import type { LoadArgs } from '../protocol/loading.js';
import type { DeviceReport, DType } from '../types.js';
import type { Measured } from './measure.js';

/** Types of weights whose products are computed in integers. */
const INTEGERS: ReadonlySet<DType> = new Set<DType>(['int8', 'q8', 'uint8']);

/**
 * The report of a model with weights of this type: 8-bit products run on the CPU alone. `measured` says what
 * else does.
 */
export function deviceReport(
  report: DeviceReport,
  dtype: DType,
  { graph }: Pick<LoadArgs, 'graph'>,
  measured: Measured | undefined,
): DeviceReport {
  if (report.kind !== 'webgpu') return report;
  const integers = INTEGERS.has(dtype) || graph?.graph.int8 === true;
  const reasons = [
    report.reason,
    ...(integers ? ['Layers of 8 bits run on the CPU.'] : []),
    ...(measured?.reasons ?? []),
  ];
  const where = measured?.onCpu ? ({ kind: 'wasm', adapter: '' } as const) : {};
  return { ...report, ...where, reason: reasons.join(' ') };
}
