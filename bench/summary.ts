import type { BenchCase, CaseSample, Floor, SampleOptions } from './case.ts';
import { median } from './statistics.ts';

/** One line of `--json`. */
export interface CaseSummary {
  readonly name: string;
  readonly rowsPerSecond: number;
  readonly floorRowsPerSecond: number;
  readonly ratio: number;
  readonly cpuMicrosPerRow: number;
  readonly rssMiB: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Medians of the samples, field by field. */
export function summarise(
  name: string,
  samples: readonly CaseSample[],
  floorRates: readonly number[],
): CaseSummary {
  const of = (field: keyof CaseSample): number =>
    median(samples.map((sample) => sample[field]));
  const rowsPerSecond = of('rowsPerSecond');
  const floorRowsPerSecond = median(floorRates);
  return {
    name,
    rowsPerSecond: Math.round(rowsPerSecond),
    floorRowsPerSecond: Math.round(floorRowsPerSecond),
    ratio: rounded(rowsPerSecond / floorRowsPerSecond, 3),
    cpuMicrosPerRow: rounded(of('cpuMicrosPerRow'), 2),
    rssMiB: Math.round(of('rssMiB')),
    p50Ms: rounded(of('p50Ms'), 1),
    p99Ms: rounded(of('p99Ms'), 1),
  };
}

/** Tries every setting for a moment. */
export async function fastestFloor(
  { floors }: BenchCase,
  options: SampleOptions,
): Promise<Floor> {
  let best: { floor: Floor; rate: number } | undefined;
  for (const floor of floors) {
    const rate = await floor.measure({ ...options, seconds: 1 });
    if (best === undefined || rate > best.rate) best = { floor, rate };
  }
  if (best === undefined) throw new Error('a case without a floor');
  return best.floor;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
