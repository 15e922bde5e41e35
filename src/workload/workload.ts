/**
 * The door of `workload/`: a source database with a changefeed, both played,
 * and a checker that looks at the target meanwhile and at the end.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { wallTimeMs, zeroTimestamp } from '../mutation/timestamp.ts';
import { createClock } from './clock.ts';
import type { Comparison } from './comparison.ts';
import { openEngine } from './engines/open-engine.ts';
import { Feed, type FeedOptions } from './feed.ts';
import { createRandom } from './random.ts';
import { openSender, type SinkAddress } from './sender.ts';
import { Source } from './source.ts';
import { TargetReader } from './target-reader.ts';
import { document, plainDocument } from './values.ts';
import { type Violation, Watcher } from './watcher.ts';
import { writeTransactions } from './writer.ts';

export interface WorkloadOptions extends FeedOptions {
  readonly sink: SinkAddress;
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
  readonly requestTimeoutMs: number;
  readonly gzip: boolean;
  /** Between two looks at the target. */
  readonly lookIntervalMs: number;
  /** About how long between two replays from an older resolved; 0 none. */
  readonly replayIntervalMs: number;
  /** At the end: give up when nothing has moved for so long. */
  readonly catchUpTimeoutMs: number;
}

export interface WorkloadProgress {
  readonly phase: 'writing' | 'catching up' | 'done';
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

/**
 * Writes until `signal` aborts, then lets the target catch up and compares
 * everything. Resolves with what was found; rejects with E5011 when the
 * webhook refuses a request under `failFast`, and with the driver's error
 * when the tables cannot be created.
 */
export async function runWorkload(
  options: WorkloadOptions,
  onProgress: (progress: WorkloadProgress) => void,
  signal: AbortSignal,
): Promise<WorkloadReport> {
  const engine = await openEngine(options.targetUrl);
  await using reader = new TargetReader(engine, {
    url: options.targetUrl,
    schema: options.targetSchema,
  });
  if (options.createTables) {
    await reader.createTables(options.mode === 'consistent');
  }
  using sender = openSender(options.sink, options);
  const clock = createClock();
  const random = createRandom(options.seed);
  const source = new Source(clock, random, {
    tableRows: options.tableRows,
    document: engine.exactJsonNumbers ? document : plainDocument,
  });
  // Chances of its own: what the source writes depends on the seed alone.
  const feed = new Feed(options, sender, clock, createRandom(options.seed + 1));
  const watcher = new Watcher(source, reader, options.mode === 'consistent');
  const run = new WorkloadRun(options, { source, feed, watcher, onProgress });
  return run.until(signal);
}

interface Parts {
  readonly source: Source;
  readonly feed: Feed;
  readonly watcher: Watcher;
  readonly onProgress: (progress: WorkloadProgress) => void;
}

const progressIntervalMs = 1000;

class WorkloadRun {
  readonly #options: WorkloadOptions;
  readonly #parts: Parts;
  readonly #startedAtMs = Date.now();
  #phase: WorkloadProgress['phase'] = 'writing';
  #committedRows = 0;
  #lastTime = zeroTimestamp;

  constructor(options: WorkloadOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  async until(signal: AbortSignal): Promise<WorkloadReport> {
    const { feed, watcher } = this.#parts;
    /** Ends the writing: the caller's signal, a violation or a fatal answer. */
    const writing = new AbortController();
    const everything = new AbortController();
    const stopWriting = (): void => writing.abort();
    signal.addEventListener('abort', stopWriting, { once: true });
    if (signal.aborted) {
      stopWriting();
    }
    const ticker = setInterval(() => this.#report(), progressIntervalMs);
    const feeding = feed.run(everything.signal).finally(stopWriting);
    const watching = watcher
      .run(this.#options.lookIntervalMs, everything.signal)
      .finally(stopWriting);
    let comparison: Comparison | null = null;
    try {
      await Promise.all([
        this.#write(writing.signal),
        this.#replay(writing.signal),
      ]);
      this.#phase = 'catching up';
      comparison = await this.#catchUp(Promise.race([feeding, watching]));
    } finally {
      clearInterval(ticker);
      signal.removeEventListener('abort', stopWriting);
      everything.abort();
      await Promise.allSettled([feeding, watching]);
    }
    await feeding;
    const violation = await watching;
    this.#phase = 'done';
    this.#report();
    return {
      verified: violation === null && comparison?.differenceCount === 0,
      violation,
      comparison: violation?.comparison ?? comparison,
      progress: this.#progress(),
    };
  }

  async #write(signal: AbortSignal): Promise<void> {
    const { source, feed, watcher } = this.#parts;
    const commits = writeTransactions(source, {
      rowsPerSecond: this.#options.rowsPerSecond,
      seed: this.#options.seed,
      mayWrite: () =>
        feed.pendingRows < this.#pendingRowsLimit() &&
        feed.loggedRows < loggedRowsLimit &&
        source.sequence - watcher.counts.appliedSequence < unseenLimit,
      signal,
    });
    for await (const transaction of commits) {
      this.#committedRows += transaction.events.length;
      this.#lastTime = transaction.time;
      feed.publish(transaction);
    }
  }

  #pendingRowsLimit(): number {
    const { concurrentRequests, batchSize, rowsPerSecond } = this.#options;
    const atOnceRows = 2 * concurrentRequests * batchSize;
    return Math.max(atOnceRows, 4 * rowsPerSecond);
  }

  async #replay(signal: AbortSignal): Promise<void> {
    const { replayIntervalMs, seed } = this.#options;
    const random = createRandom(seed + 2);
    while (replayIntervalMs > 0 && !signal.aborted) {
      const pauseMs = replayIntervalMs * (0.5 + random.next());
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
      if (!signal.aborted) {
        this.#parts.feed.replay();
      }
    }
  }

  /** Until all is resolved and the target equal, or nothing moves any more. */
  async #catchUp(ended: Promise<unknown>): Promise<Comparison | null> {
    const { feed, watcher } = this.#parts;
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
      if (feed.lastResolved >= this.#lastTime && this.#mayBeEqual()) {
        comparison = await watcher.compareAll();
        if (
          comparison &&
          (comparison.differenceCount === 0 || this.#isFinal())
        ) {
          return comparison;
        }
      }
      const sign = `${feed.pendingRows} ${watcher.counts.appliedSequence} ${comparison?.differenceCount}`;
      if (sign !== lastSign) {
        lastSign = sign;
        movedAtMs = Date.now();
      }
      await sleep(100);
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

  #report(): void {
    this.#parts.onProgress(this.#progress());
  }

  #progress(): WorkloadProgress {
    const { source, feed, watcher } = this.#parts;
    const nowMs = Date.now();
    const resolvedAtMs = wallTimeMs(feed.lastResolved);
    return {
      phase: this.#phase,
      elapsedMs: nowMs - this.#startedAtMs,
      transactions: source.sequence,
      committedRows: this.#committedRows,
      sentRows: feed.counts.sentRows,
      pendingRows: feed.pendingRows,
      inFlightRequests: feed.inFlightRequests,
      requests: feed.counts.requests,
      failedRequests: feed.counts.failedRequests,
      restarts: feed.counts.restarts,
      replays: feed.counts.replays,
      resolvedMessages: feed.counts.resolvedMessages,
      resolvedAgeMs: nowMs - (resolvedAtMs || this.#startedAtMs),
      appliedTransactions: watcher.counts.appliedSequence,
      looks: watcher.counts.looks,
      failedLooks: watcher.counts.failedLooks,
      lastFailure: feed.counts.lastFailure || watcher.counts.lastFailure,
    };
  }
}

/** Bounds on memory while the daemon or the target is away. */
const loggedRowsLimit = 300_000;
/** In transactions: what the checker must be able to rebuild. */
const unseenLimit = 100_000;
