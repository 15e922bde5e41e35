import type { BenchEnvironment } from './environment.ts';

export interface SampleOptions {
  readonly environment: BenchEnvironment;
  readonly seconds: number;
  /** Row changes that wait in the slot before a catch-up. */
  readonly changes: number;
}

/** One measurement of the daemon. */
export interface CaseSample {
  readonly rowsPerSecond: number;
  readonly cpuMicrosPerRow: number;
  readonly rssMiB: number;
  /** Null where the case has no latency to speak of. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface BenchCase {
  readonly name: string;
  /** `program` is the bin/replicator to measure; this checkout's if absent. */
  measure(options: SampleOptions, program?: string): Promise<CaseSample>;
  /**
   * Rows per second of the same writes straight from Node. Each entry is a
   * setting; the first round tries all and the fastest is kept.
   */
  readonly floors: readonly Floor[];
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
