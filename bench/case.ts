import type { BenchEnvironment } from './environment.ts';

/**
 * Of load before a sample of a full load: by then V8 has compiled what is hot,
 * also where the machine is slow.
 */
export const WARM_UP_SECONDS = 3;

export interface SampleOptions {
  readonly environment: BenchEnvironment;
  readonly seconds: number;
  /** Row changes that wait in the slot before a catch-up. */
  readonly changes: number;
  /** Rows that wait in staging before a catch-up. */
  readonly backlog: number;
}

/** One measurement of the daemon. Null is what a case has not got. */
export interface CaseSample {
  readonly rowsPerSecond: number | null;
  readonly cpuMicrosPerRow: number | null;
  readonly rssMiB: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** What this case alone measures, by names with units. */
  readonly figures?: Readonly<Record<string, number>>;
}

export interface BenchCase {
  readonly name: string;
  /** `program` is the bin/replicator to measure; this checkout's if absent. */
  measure(options: SampleOptions, program?: string): Promise<CaseSample>;
  /**
   * Rows per second of the same writes straight from Node. Each entry is a
   * setting; the first round tries all and the fastest is kept. None where the
   * target of the case is an absolute figure.
   */
  readonly floors: readonly Floor[];
  /** Takes long: left out of a run that names no case. */
  readonly isOnlyNamed?: boolean;
}

/** The same work at several sizes, which should cost the same at each. */
export interface BenchGrowth {
  readonly name: string;
  readonly points: readonly BenchCase[];
  /** Whose spread is told; rows per second if absent. */
  readonly figure?: string;
  readonly isOnlyNamed: true;
}

export interface Floor {
  readonly name: string;
  measure(options: SampleOptions): Promise<FloorSample>;
}

/** Rows per second; with latencies where the case is about them. */
export type FloorSample =
  | number
  | {
      readonly rowsPerSecond: number;
      readonly p50Ms: number;
      readonly p99Ms: number;
    };
