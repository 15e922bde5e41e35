import type {
  BenchCase,
  CaseSample,
  Floor,
  FloorSample,
  SampleOptions,
} from './case.ts';
import { median } from './statistics.ts';

/** One line of `--json`. */
export interface CaseSummary {
  readonly name: string;
  readonly rowsPerSecond: number;
  readonly floorRowsPerSecond: number;
  readonly ratio: number;
  readonly cpuMicrosPerRow: number;
  readonly rssMiB: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** Only where the floor has them. */
  readonly floorP50Ms?: number;
  readonly floorP99Ms?: number;
}

/** Medians of the samples, field by field. */
export function summarise(
  name: string,
  samples: readonly CaseSample[],
  floorSamples: readonly FloorSample[],
): CaseSummary {
  const of = (field: 'rowsPerSecond' | 'cpuMicrosPerRow' | 'rssMiB'): number =>
    median(samples.map((sample) => sample[field]));
  const latency = (field: 'p50Ms' | 'p99Ms'): number | null =>
    medianMs(samples.map((sample) => sample[field]));
  const rowsPerSecond = of('rowsPerSecond');
  const floor = summariseFloor(floorSamples);
  const floorRowsPerSecond = floor.rowsPerSecond;
  return {
    name,
    rowsPerSecond: Math.round(rowsPerSecond),
    floorRowsPerSecond,
    ratio: rounded(rowsPerSecond / floorRowsPerSecond, 3),
    cpuMicrosPerRow: rounded(of('cpuMicrosPerRow'), 2),
    rssMiB: Math.round(of('rssMiB')),
    p50Ms: latency('p50Ms'),
    p99Ms: latency('p99Ms'),
    ...(floor.p50Ms !== undefined && { floorP50Ms: floor.p50Ms }),
    ...(floor.p99Ms !== undefined && { floorP99Ms: floor.p99Ms }),
  };
}

function medianMs(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : rounded(median(known), 1);
}

interface FloorSummary {
  readonly rowsPerSecond: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
}

export function summariseFloor(samples: readonly FloorSample[]): FloorSummary {
  const clocked = samples.filter((sample) => typeof sample === 'object');
  return {
    rowsPerSecond: Math.round(median(samples.map(floorRate))),
    ...(clocked.length > 0 && {
      p50Ms: rounded(median(clocked.map(({ p50Ms }) => p50Ms)), 1),
      p99Ms: rounded(median(clocked.map(({ p99Ms }) => p99Ms)), 1),
    }),
  };
}

function floorRate(sample: FloorSample): number {
  return typeof sample === 'number' ? sample : sample.rowsPerSecond;
}

/** Tries every setting for a moment, unless there is but one. */
export async function fastestFloor(
  { floors }: BenchCase,
  options: SampleOptions,
): Promise<Floor> {
  let best: { floor: Floor; rate: number } | undefined;
  for (const floor of floors) {
    const rate =
      floors.length === 1
        ? 0
        : floorRate(await floor.measure({ ...options, seconds: 1 }));
    if (best === undefined || rate > best.rate) best = { floor, rate };
  }
  if (best === undefined) throw new Error('a case without a floor');
  return best.floor;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
