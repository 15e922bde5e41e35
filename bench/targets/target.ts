/** The door of `targets/`: what a case must know of a kind of database. */
import type { BenchEnvironment } from '../environment.ts';

export interface BenchTarget {
  /** A database with the empty tables. */
  fresh(environment: BenchEnvironment): Promise<OpenBenchTarget>;
}

export interface OpenBenchTarget extends AsyncDisposable {
  /** `--targetConn`. */
  readonly url: string;
  /** Of the webhook. */
  readonly path: string;
  /** Those of the ids that a reader sees. */
  visibleIds(ids: readonly (number | string)[]): Promise<readonly string[]>;
  /** All rows, and those that are exactly what was sent. */
  countRows(): Promise<{ readonly all: number; readonly right: number }>;
}
