/** How what the source commits leaves it: by a changefeed, or by SQL. */
import type { Timestamp } from '../mutation/timestamp.ts';
import type { Transaction } from './source.ts';

export interface OutletCounts {
  sentRows: number;
  requests: number;
  duplicateRequests: number;
  failedRequests: number;
  restarts: number;
  replays: number;
  resolvedMessages: number;
  /** The last reason a request failed, for the progress line. */
  lastFailure: string;
}

export function zeroCounts(): OutletCounts {
  return {
    sentRows: 0,
    requests: 0,
    duplicateRequests: 0,
    failedRequests: 0,
    restarts: 0,
    replays: 0,
    resolvedMessages: 0,
    lastFailure: '',
  };
}

export interface Outlet {
  readonly counts: OutletCounts;
  /** Everything at or before it has left. */
  readonly lastResolved: Timestamp;
  /** Rows that wait, and rows that may wait before the source must. */
  readonly pendingRows: number;
  readonly pendingRowsLimit: number;
  readonly inFlightRequests: number;
  /** Rows that are kept: what bounds its memory. */
  readonly loggedRows: number;
  /** Resolves when the source may begin to write, or the signal aborts. */
  ready(signal: AbortSignal): Promise<void>;
  publish(transaction: Transaction): void;
  /** Sends again what was sent before, where it knows how to. */
  replay(): void;
  /** Ends when the signal aborts; rejects when it can never go on. */
  run(signal: AbortSignal): Promise<void>;
  /** Why the source itself is not what it should be; null when it is. */
  complaint(): Promise<string | null>;
}
