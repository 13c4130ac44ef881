// Device report of one model: what of it runs on which device.
import type { DeviceReport } from '../types.js';
import type { Measured } from './measure.js';

/** What a loaded model says of its devices. */
export interface ModelDevices {
  /** Whether it has operators on integers, which only the CPU computes. */
  integerOperators: boolean;
  /** What was measured of its runs on each device, where they were. */
  measured?: Measured | undefined;
}

/** The report of a model. */
export function deviceReport(report: DeviceReport, { integerOperators, measured }: ModelDevices): DeviceReport {
  if (report.kind !== 'webgpu') return report;
  const reasons = [
    report.reason,
    ...(integerOperators ? ["The file's operators on integers run on the CPU."] : []),
    ...(measured?.reasons ?? []),
  ];
  const where = measured?.onCpu ? ({ kind: 'wasm', adapter: '' } as const) : {};
  return { ...report, ...where, reason: reasons.join(' ') };
}
