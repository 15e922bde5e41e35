/**
 * The changefeed: delivers the source's row events at least once, in order a
 * key, in any order across keys, over parallel requests, and promises
 * resolved timestamps only when everything at or before them was
 * acknowledged. When a request fails for good it does what CockroachDB does:
 * starts again from its last resolved timestamp, old rows and all.
 *
 *   running    --request failed `tries` times-->  restarting
 *   running    --replay()-->                      restarting
 *   restarting --requests ended, pause over-->    running
 *   any        --signal aborted-->                ended
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { ReplicatorError } from '../failure/failure.ts';
import { printTimestamp, type Timestamp } from '../mutation/timestamp.ts';
import type { Clock } from './clock.ts';
import { EventLog } from './event-log.ts';
import { Lane, shuffleAcrossKeys } from './lane.ts';
import { type Outlet, type OutletCounts, zeroCounts } from './outlet.ts';
import type { Random } from './random.ts';
import type { Sender } from './sender.ts';
import type { RowEvent, Transaction } from './source.ts';

export interface FeedOptions {
  readonly concurrentRequests: number;
  readonly batchSize: number;
  readonly resolvedIntervalMs: number;
  /** Tries of one request before a restart; 0 tries for ever. */
  readonly tries: number;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly failFast: boolean;
  readonly diff: boolean;
}

export class Feed implements Outlet {
  readonly counts: OutletCounts = zeroCounts();
  readonly #options: FeedOptions;
  readonly #sender: Sender;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log = new EventLog();
  #lanes: Lane[] = [];
  #laneSalt = 0;
  #run = new AbortController();
  #runTasks = new Set<Promise<void>>();
  /** Older than the last resolved one: sent again after a replay. */
  #repeatedResolved: Timestamp | null = null;
  #replayFrom: Timestamp | null = null;
  #failureStreak = 0;
  /** Why `run` must reject: set under failFast only. */
  #fatal: ReplicatorError | null = null;
  #wake: () => void = () => {};

  constructor(
    options: FeedOptions,
    sender: Sender,
    clock: Clock,
    random: Random,
  ) {
    this.#options = options;
    this.#sender = sender;
    this.#clock = clock;
    this.#random = random;
    this.#fillLanes([]);
  }

  get lastResolved(): Timestamp {
    return this.#log.lastResolved;
  }

  /** Rows that wait for an acknowledgement, replayed ones among them. */
  get pendingRows(): number {
    let count = 0;
    for (const lane of this.#lanes) {
      count += lane.queuedCount;
    }
    return count;
  }

  get pendingRowsLimit(): number {
    return 2 * this.#options.concurrentRequests * this.#options.batchSize;
  }

  get inFlightRequests(): number {
    return this.#lanes.filter((lane) => lane.busy).length;
  }

  /** Rows kept for replays: what bounds the feed's memory. */
  get loggedRows(): number {
    return this.#log.eventCount;
  }

  /** A changefeed that is refused tries again: it need not wait. */
  async ready(): Promise<void> {}

  /** Nothing but this feed knows the source. */
  async complaint(): Promise<null> {
    return null;
  }

  publish(transaction: Transaction): void {
    this.#log.append(transaction.events);
    for (const event of transaction.events) {
      this.#laneOf(event).push(event);
    }
    this.#pump();
  }

  /** Starts again from an older resolved timestamp, as a changefeed may. */
  replay(): void {
    // One lies between, so that a resolved message goes backwards too.
    const older = this.#log.resolvedTimes.slice(0, -2);
    if (older.length > 0 && !this.#run.signal.aborted) {
      this.#replayFrom = this.#random.pick(older);
      this.#run.abort();
    }
  }

  /** Ends when the signal aborts; rejects only with `failFast`. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => {
      this.#run.abort();
      this.#wake();
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted) {
        this.#run = new AbortController();
        this.#pump();
        await this.#resolveLoop(this.#run.signal);
        await Promise.allSettled(this.#runTasks);
        this.#runTasks.clear();
        if (this.#fatal) {
          throw this.#fatal;
        }
        if (!signal.aborted) {
          await this.#restart(signal);
        }
      }
    } finally {
      signal.removeEventListener('abort', stop);
      this.#run.abort();
    }
  }

  async #restart(signal: AbortSignal): Promise<void> {
    const from = this.#replayFrom ?? this.#log.lastResolved;
    if (this.#replayFrom) {
      this.counts.replays += 1;
      const repeated = this.#log.resolvedTimes.filter((time) => time > from);
      this.#repeatedResolved = repeated.length > 0 ? repeated[0]! : null;
      this.#replayFrom = null;
    } else {
      this.counts.restarts += 1;
      await this.#pause(this.#failureStreak, signal);
    }
    this.#fillLanes(this.#log.since(from));
  }

  #fillLanes(events: readonly RowEvent[]): void {
    // A new salt: after a restart other keys share a request.
    this.#laneSalt = this.#random.integer(2 ** 31);
    this.#lanes = Array.from(
      { length: this.#options.concurrentRequests },
      () => new Lane(),
    );
    for (const event of events) {
      this.#laneOf(event).push(event);
    }
  }

  #laneOf(event: RowEvent): Lane {
    let hash = this.#laneSalt;
    for (const text of [event.topic, event.key]) {
      for (let index = 0; index < text.length; index += 1) {
        hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
      }
    }
    return this.#lanes[(hash >>> 0) % this.#lanes.length]!;
  }

  #pump(): void {
    for (const lane of this.#lanes) {
      if (!lane.busy && lane.queuedCount > 0 && !this.#run.signal.aborted) {
        this.#track(this.#sendRows(lane, this.#run.signal));
      }
    }
  }

  #track(task: Promise<void>): void {
    this.#runTasks.add(task);
    void task.then(
      () => {
        this.#runTasks.delete(task);
        this.#wake();
        this.#pump();
      },
      () => {
        // Whatever failed, deliver() has counted it: the run is over.
        this.#run.abort();
        this.#wake();
      },
    );
  }

  async #sendRows(lane: Lane, signal: AbortSignal): Promise<void> {
    const limit = 1 + this.#random.integer(this.#options.batchSize * 2);
    const events = lane.take(Math.min(limit, this.#options.batchSize));
    if (this.#random.chance(0.1)) {
      // Lanes drift apart: rows of one transaction arrive far from each other.
      await sleep(this.#random.integer(20), undefined, { signal });
    }
    const rows = shuffleAcrossKeys(events, this.#random);
    const body = this.#rowsBody(rows);
    await this.#deliver(body, signal);
    this.counts.sentRows += rows.length;
    if (this.#random.chance(0.01)) {
      this.counts.duplicateRequests += 1;
      await this.#deliver(body, signal);
      this.counts.sentRows += rows.length;
    }
    lane.acknowledge();
  }

  #rowsBody(rows: readonly RowEvent[]): string {
    const items = rows.map((row) => {
      const before = this.#options.diff
        ? `, "before": ${row.before ?? 'null'}`
        : '';
      return `{"after": ${row.after ?? 'null'}${before}, "key": ${row.key}, "topic": "${row.topic}", "updated": "${printTimestamp(row.time)}"}`;
    });
    return `{"payload":[${items.join(',')}],"length":${rows.length}}`;
  }

  async #resolveLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#options.resolvedIntervalMs, undefined, {
        signal,
      }).catch(() => {});
      const time = this.#repeatedResolved ?? this.#clock.tick();
      while (!signal.aborted && this.#lanes.some((l) => l.lowWater <= time)) {
        await this.#waitForProgress();
      }
      if (signal.aborted) {
        return;
      }
      try {
        await this.#deliver(`{"resolved":"${printTimestamp(time)}"}`, signal);
      } catch {
        this.#run.abort();
        return;
      }
      this.#repeatedResolved = null;
      this.counts.resolvedMessages += 1;
      this.#log.resolved(time);
    }
  }

  /** Until a request was acknowledged or the run ended. */
  async #waitForProgress(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
  }

  /** Sends until the answer is 2xx; rejects when the run must end. */
  async #deliver(body: string, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      this.counts.requests += 1;
      const failure = await this.#attempt(body, signal);
      if (failure === null) {
        this.#failureStreak = 0;
        return;
      }
      signal.throwIfAborted();
      this.counts.failedRequests += 1;
      this.counts.lastFailure = failure;
      this.#failureStreak += 1;
      if (this.#options.failFast) {
        this.#fatal ??= new ReplicatorError('E5011', { detail: failure });
        throw this.#fatal;
      }
      if (attempt === this.#options.tries) {
        throw new Error(failure);
      }
      await this.#pause(attempt, signal);
    }
  }

  async #attempt(body: string, signal: AbortSignal): Promise<string | null> {
    try {
      const { status, body: text } = await this.#sender.post(body, signal);
      return status >= 200 && status < 300
        ? null
        : `${status} ${text.trim().slice(0, 300)}`;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return code ?? message;
    }
  }

  async #pause(attempt: number, signal: AbortSignal): Promise<void> {
    const { retryMinMs, retryMaxMs } = this.#options;
    const delayMs = Math.min(
      retryMinMs * 2 ** Math.min(attempt - 1, 20),
      retryMaxMs,
    );
    await sleep(delayMs, undefined, { signal }).catch(() => {});
  }
}
