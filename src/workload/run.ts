/** One run: write until told to end, let the target catch up, compare. */
import { setTimeout as sleep } from 'node:timers/promises';

import { wallTimeMs, zeroTimestamp } from '../mutation/timestamp.ts';
import type { Comparison } from './comparison.ts';
import type { Outlet } from './outlet.ts';
import { createRandom } from './random.ts';
import type { Source } from './source.ts';
import type { Violation, Watcher } from './watcher.ts';
import { writeTransactions } from './writer.ts';

/** What every run has, however its transactions leave the source. */
export interface RunOptions {
  readonly targetUrl: string;
  /** What qualifies its tables: a schema, or MySQL's database. */
  readonly targetSchema: string;
  /** In immediate mode only the end is checked, and tables have no foreign keys. */
  readonly mode: 'consistent' | 'immediate';
  readonly createTables: boolean;
  /** Rows a second the source writes; 0 as many as the daemon takes. */
  readonly rowsPerSecond: number;
  readonly seed: number;
  /** About how many rows the tables settle at, the ledger aside. */
  readonly tableRows: number;
  /** Between two looks at the target. */
  readonly lookIntervalMs: number;
  /** About how long between two replays from an older resolved; 0 none. */
  readonly replayIntervalMs: number;
  /** At the end: give up when nothing has moved for so long. */
  readonly catchUpTimeoutMs: number;
  /** Between two calls of `onProgress`; by default a second. */
  readonly progressIntervalMs?: number;
}

export interface WorkloadProgress {
  readonly phase: 'waiting for the daemon' | 'writing' | 'catching up' | 'done';
  readonly elapsedMs: number;
  readonly transactions: number;
  /** Rows the source wrote, and rows sent: more, for some are sent again. */
  readonly committedRows: number;
  readonly sentRows: number;
  readonly pendingRows: number;
  readonly inFlightRequests: number;
  readonly requests: number;
  readonly failedRequests: number;
  readonly restarts: number;
  readonly replays: number;
  readonly resolvedMessages: number;
  readonly resolvedAgeMs: number;
  /** The last transaction seen at the target. */
  readonly appliedTransactions: number;
  /** The rows of those. */
  readonly appliedRows: number;
  readonly looks: number;
  readonly failedLooks: number;
  readonly lastFailure: string;
}

export interface WorkloadReport {
  /** Every row of every table at the target equals the source. */
  readonly verified: boolean;
  /** A state seen while running that the source never had. */
  readonly violation: Violation | null;
  /** The last comparison of everything; null when the target never answered. */
  readonly comparison: Comparison | null;
  readonly progress: WorkloadProgress;
}

export interface RunParts {
  readonly source: Source;
  readonly outlet: Outlet;
  readonly watcher: Watcher;
  readonly onProgress: (progress: WorkloadProgress) => void;
}

const defaultProgressIntervalMs = 1000;
/** Bounds on memory while the daemon or the target is away. */
const loggedRowsLimit = 300_000;
/** In transactions: what the checker must be able to rebuild. */
const unseenLimit = 100_000;

export class WorkloadRun {
  readonly #options: RunOptions;
  readonly #parts: RunParts;
  readonly #startedAtMs = Date.now();
  #phase: WorkloadProgress['phase'] = 'waiting for the daemon';
  #committedRows = 0;
  /** By transaction, of those that have not been seen at the target. */
  readonly #unseenRowCounts: number[] = [];
  #seenRows = 0;
  #lastTime = zeroTimestamp;

  constructor(options: RunOptions, parts: RunParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /**
   * Writes until `signal` aborts. Rejects with an AbortError when `cut` aborts
   * while the target catches up; what had ended the writing does not cut.
   */
  async until(signal: AbortSignal, cut?: AbortSignal): Promise<WorkloadReport> {
    const { outlet, watcher } = this.#parts;
    /** Ends the writing: the caller's signal, a violation or a fatal answer. */
    const writing = new AbortController();
    const everything = new AbortController();
    const stopWriting = (): void => writing.abort();
    signal.addEventListener('abort', stopWriting, { once: true });
    if (signal.aborted) {
      stopWriting();
    }
    const ticker = setInterval(
      () => this.#report(),
      this.#options.progressIntervalMs ?? defaultProgressIntervalMs,
    );
    const sending = outlet.run(everything.signal).finally(stopWriting);
    const watching = watcher
      .run(this.#options.lookIntervalMs, everything.signal)
      .finally(stopWriting);
    let comparison: Comparison | null = null;
    try {
      await outlet.ready(writing.signal);
      this.#phase = 'writing';
      this.#report();
      await Promise.all([
        this.#write(writing.signal),
        this.#replay(writing.signal),
      ]);
      this.#phase = 'catching up';
      comparison = await this.#catchUp(
        Promise.race([sending, watching]),
        cut && !cut.aborted ? cut : null,
      );
    } finally {
      clearInterval(ticker);
      signal.removeEventListener('abort', stopWriting);
      everything.abort();
      await Promise.allSettled([sending, watching]);
    }
    await sending;
    const violation = await watching;
    const complaint = violation === null ? await outlet.complaint() : null;
    this.#phase = 'done';
    this.#report();
    return {
      verified:
        violation === null &&
        complaint === null &&
        comparison?.differenceCount === 0,
      violation:
        complaint === null
          ? violation
          : { reason: complaint, comparison: null },
      comparison: violation?.comparison ?? comparison,
      progress: this.#progress(),
    };
  }

  async #write(signal: AbortSignal): Promise<void> {
    const { source, outlet, watcher } = this.#parts;
    const commits = writeTransactions(source, {
      rowsPerSecond: this.#options.rowsPerSecond,
      seed: this.#options.seed,
      mayWrite: () =>
        outlet.pendingRows < this.#pendingRowsLimit() &&
        outlet.loggedRows < loggedRowsLimit &&
        source.sequence - watcher.counts.appliedSequence < unseenLimit,
      signal,
    });
    for await (const transaction of commits) {
      this.#committedRows += transaction.events.length;
      this.#unseenRowCounts.push(transaction.events.length);
      this.#lastTime = transaction.time;
      outlet.publish(transaction);
    }
  }

  #pendingRowsLimit(): number {
    return Math.max(
      this.#parts.outlet.pendingRowsLimit,
      4 * this.#options.rowsPerSecond,
    );
  }

  async #replay(signal: AbortSignal): Promise<void> {
    const { replayIntervalMs, seed } = this.#options;
    const random = createRandom(seed + 2);
    while (replayIntervalMs > 0 && !signal.aborted) {
      const pauseMs = replayIntervalMs * (0.5 + random.next());
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
      if (!signal.aborted) {
        this.#parts.outlet.replay();
      }
    }
  }

  /** Until all is resolved and the target equal, or nothing moves any more. */
  async #catchUp(
    ended: Promise<unknown>,
    cut: AbortSignal | null,
  ): Promise<Comparison | null> {
    const { outlet, watcher } = this.#parts;
    let comparison: Comparison | null = null;
    let over = false;
    const end = (): void => {
      over = true;
    };
    void ended.then(end, end);
    let lastSign = '';
    let movedAtMs = Date.now();
    while (!over && Date.now() - movedAtMs < this.#options.catchUpTimeoutMs) {
      await watcher.lookAtLedger();
      if (outlet.lastResolved >= this.#lastTime && this.#mayBeEqual()) {
        comparison = await watcher.compareAll();
        if (
          comparison &&
          (comparison.differenceCount === 0 || this.#isFinal())
        ) {
          return comparison;
        }
      }
      const sign = `${outlet.pendingRows} ${watcher.counts.appliedSequence} ${comparison?.differenceCount}`;
      if (sign !== lastSign) {
        lastSign = sign;
        movedAtMs = Date.now();
      }
      await sleep(100, undefined, cut ? { signal: cut } : {});
    }
    return comparison ?? (await watcher.compareAll());
  }

  /** Comparing everything is dear: not before the ledger is complete. */
  #mayBeEqual(): boolean {
    const { source, watcher } = this.#parts;
    return watcher.counts.appliedSequence >= source.sequence;
  }

  /** What a consistent target shows of the last transaction stays so. */
  #isFinal(): boolean {
    return this.#options.mode === 'consistent';
  }

  /** Forgets the rows of transactions that have been seen at the target. */
  #appliedRows(): number {
    const { source, watcher } = this.#parts;
    const unseenCount = source.sequence - watcher.counts.appliedSequence;
    const counts = this.#unseenRowCounts;
    const seenCount = Math.max(counts.length - unseenCount, 0);
    for (const rowCount of counts.splice(0, seenCount)) {
      this.#seenRows += rowCount;
    }
    return this.#seenRows;
  }

  #report(): void {
    this.#parts.onProgress(this.#progress());
  }

  #progress(): WorkloadProgress {
    const { source, outlet, watcher } = this.#parts;
    const nowMs = Date.now();
    const resolvedAtMs = wallTimeMs(outlet.lastResolved);
    return {
      phase: this.#phase,
      elapsedMs: nowMs - this.#startedAtMs,
      transactions: source.sequence,
      committedRows: this.#committedRows,
      sentRows: outlet.counts.sentRows,
      pendingRows: outlet.pendingRows,
      inFlightRequests: outlet.inFlightRequests,
      requests: outlet.counts.requests,
      failedRequests: outlet.counts.failedRequests,
      restarts: outlet.counts.restarts,
      replays: outlet.counts.replays,
      resolvedMessages: outlet.counts.resolvedMessages,
      resolvedAgeMs: nowMs - (resolvedAtMs || this.#startedAtMs),
      appliedTransactions: watcher.counts.appliedSequence,
      appliedRows: this.#appliedRows(),
      looks: watcher.counts.looks,
      failedLooks: watcher.counts.failedLooks,
      lastFailure: outlet.counts.lastFailure || watcher.counts.lastFailure,
    };
  }
}
