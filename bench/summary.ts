import type {
  BenchCase,
  BenchGrowth,
  CaseSample,
  Floor,
  FloorSample,
  SampleOptions,
} from './case.ts';
import { median } from './statistics.ts';

/**
 * One line of `--json`. What the case has not got is null or absent; figures
 * that it alone has stand behind the others.
 */
export interface CaseSummary {
  readonly name: string;
  readonly rowsPerSecond: number | null;
  /** Absent with the ratio where a case has no floor. */
  readonly floorRowsPerSecond?: number;
  readonly ratio?: number;
  readonly cpuMicrosPerRow: number | null;
  readonly rssMiB: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** Only where the floor has them. */
  readonly floorP50Ms?: number;
  readonly floorP99Ms?: number;
  readonly [figure: string]: string | number | null | undefined;
}

/**
 * Medians of the samples, field by field. Floors are measured before the first
 * sample and behind each one: the ratio is the median of the samples' own, each
 * to the mean of the two floors around it, for the machine's pace wanders.
 */
export function summarise(
  name: string,
  samples: readonly CaseSample[],
  floorSamples: readonly FloorSample[],
): CaseSummary {
  const of = (
    field: Exclude<keyof CaseSample, 'figures'>,
    digits: number,
  ): number | null =>
    knownMedian(
      samples.map((sample) => sample[field]),
      digits,
    );
  const rowsPerSecond = of('rowsPerSecond', 0);
  const floor = floorSamples.length === 0 ? null : summariseFloor(floorSamples);
  const figures = Object.keys(samples[0]?.figures ?? {}).map((figure) => [
    figure,
    knownMedian(
      samples.map((sample) => sample.figures?.[figure] ?? null),
      1,
    ),
  ]);
  return {
    name,
    rowsPerSecond,
    ...(floor !== null && {
      floorRowsPerSecond: floor.rowsPerSecond,
      ratio: knownMedian(ratiosOf(samples, floorSamples), 3) ?? 0,
    }),
    cpuMicrosPerRow: of('cpuMicrosPerRow', 2),
    rssMiB: of('rssMiB', 0),
    p50Ms: of('p50Ms', 1),
    p99Ms: of('p99Ms', 1),
    ...(floor?.p50Ms !== undefined && { floorP50Ms: floor.p50Ms }),
    ...(floor?.p99Ms !== undefined && { floorP99Ms: floor.p99Ms }),
    ...Object.fromEntries(figures),
  };
}

function ratiosOf(
  samples: readonly CaseSample[],
  floors: readonly FloorSample[],
): number[] {
  return samples.map(({ rowsPerSecond }, at) => {
    const around = floors.slice(at, at + 2).map(floorRate);
    const sum = around.reduce((total, rate) => total + rate, 0);
    return ((rowsPerSecond ?? 0) * around.length) / sum;
  });
}

function knownMedian(
  values: readonly (number | null)[],
  digits: number,
): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : rounded(median(known), digits);
}

/** How far the points of a growth lie from their middle, at most. */
export interface SpreadSummary {
  readonly name: string;
  readonly figure: string;
  /** 0.1 is ± 10 %. */
  readonly spread: number;
  /** The same of the ratios to the floor of each point. */
  readonly ratioSpread?: number;
}

export function summariseSpread(
  { name, figure = 'rowsPerSecond' }: BenchGrowth,
  points: readonly CaseSummary[],
): SpreadSummary {
  const ratios = points.map(({ ratio }) => ratio).filter((it) => it != null);
  return {
    name,
    figure,
    spread: spreadOf(points.map((point) => Number(point[figure]))),
    ...(ratios.length > 0 && { ratioSpread: spreadOf(ratios) }),
  };
}

function spreadOf(values: readonly number[]): number {
  const least = Math.min(...values);
  const most = Math.max(...values);
  return rounded((most - least) / (most + least), 3);
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

/** Tries every setting for a moment, unless there is but one; null of none. */
export async function fastestFloor(
  { floors }: BenchCase,
  options: SampleOptions,
): Promise<Floor | null> {
  let best: { floor: Floor; rate: number } | undefined;
  for (const floor of floors) {
    const rate =
      floors.length === 1
        ? 0
        : floorRate(await floor.measure({ ...options, seconds: 1 }));
    if (best === undefined || rate > best.rate) best = { floor, rate };
  }
  return best?.floor ?? null;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
