import { setTimeout as sleep } from 'node:timers/promises';
import { ReplicatorError } from '../../failure/failure.ts';
import { type Timestamp, wallTimeMs } from '../../mutation/timestamp.ts';
import type { SourceStep, TransactionFeed } from '../source.ts';
import type { StepBuffer } from './step-buffer.ts';

export interface StepsOptions {
  readonly feed: TransactionFeed;
  /** The time through which transactions are staged already. */
  readonly resolved: Timestamp;
  /** Transactions that ended at or before this are staged already. */
  readonly stagedLsn: bigint;
  /** The feed's text for a place in the source. */
  positionAt(lsn: bigint): string;
  /** All before the place is durable: the source may forget it. */
  confirm(lsn: bigint): void;
  /** Staging has failed; nothing more is handed on. */
  failed(error: unknown): void;
  /** Whether the source is shutting down, and waits for all to be read. */
  isSourceLeaving(): Promise<boolean>;
  /** What rows may take in memory before the stream waits for staging. */
  readonly bufferBytes: number;
  readonly observer: StepsObserver;
}

export interface TransactionCounts {
  readonly transactions: number;
  readonly rows: number;
  /** Transactions in which nothing was for the feed. */
  readonly empty: number;
}

/** For metrics; never blocks. */
export interface StepsObserver {
  /** Since it was last told; with each step. */
  transactions(counts: TransactionCounts): void;
  /** `ageMs`: since the newest transaction of the step was committed. */
  staged(lsn: bigint, ageMs: number): void;
  /** Again and again, while it lasts. */
  waitingForStaging(error: ReplicatorError): void;
}

/**
 * Steps that are small wait this long for company: a commit of staging costs
 * about half a millisecond however much is in it. Embedded staging commits on
 * this thread, so that nothing is applied meanwhile: of a backlog, where more
 * is sure to come, steps of 4 ms took a quarter of the throughput.
 */
const companyMs = 4;
const backlogCompanyMs = 25;
const companyBytes = 1024 * 1024;
/** How often an idle source's place is staged, so that its WAL can go. */
const idleMs = 1_000;
const roomPollMs = 100;
/** A source that shuts down waits for us to read everything: for ever, else. */
const looksBetweenQuestions = 20;

/**
 * Makes steps of the feed of what the buffer holds, one at a time: a step is
 * staged while the next one is decoded.
 *
 * Order: a step is durable, then its place is confirmed. Never another.
 */
export class Steps {
  readonly #options: StepsOptions;
  readonly #buffer: StepBuffer;
  /** What the next step ends with. */
  #closedTime: Timestamp;
  #closedLsn: bigint;
  #stagedLsn: bigint;
  /** Whole transactions have rows that no step has taken with it yet. */
  #hasRows = false;
  #counts = { transactions: 0, rows: 0, empty: 0 };
  /** The step under way. */
  #staging: Promise<void> | null = null;
  #stagedAtMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #hasBacklog = false;
  #isOver = false;

  constructor(options: StepsOptions, buffer: StepBuffer) {
    this.#options = options;
    this.#buffer = buffer;
    this.#closedTime = options.resolved;
    this.#closedLsn = options.stagedLsn;
    this.#stagedLsn = options.stagedLsn;
  }

  /** A transaction has ended. `isStaged`: in a run before this one. */
  closed(
    time: Timestamp,
    endLsn: bigint,
    { rowCount, isStaged }: { rowCount: number; isStaged: boolean },
  ): void {
    this.#closedTime = time;
    if (rowCount > 0) {
      this.#hasRows = true;
      this.#counts.transactions += 1;
      this.#counts.rows += rowCount;
    } else if (!isStaged) {
      this.#counts.empty += 1;
    }
    if (endLsn > this.#closedLsn) {
      this.#closedLsn = endLsn;
    }
  }

  /**
   * Whatever was committed before the place has come, and is whole. `now` is
   * asked for the source's own time where that has a meaning, else null.
   */
  idle(walEnd: bigint, now: () => Timestamp | null, isUrgent: boolean): void {
    if (walEnd > this.#closedLsn) {
      this.#closedLsn = walEnd;
    }
    if (!this.#hasRows && !this.#staging) {
      this.#closedTime = now() ?? this.#closedTime;
      if (isUrgent || this.#isPlaceDue) {
        void this.#stage();
      }
    }
  }

  /** Stages what is whole, in company if it is little. `isMore`: some is there. */
  soon(isMore: boolean): void {
    if (this.#hasBacklog !== isMore) {
      this.#hasBacklog = isMore;
      this.#cancelTimer();
    }
    // A busy source whose changes are all left out sends no keepalives.
    if (this.#isPlaceDue && this.#closedLsn > this.#stagedLsn) {
      void this.#stage();
    }
    this.#stageSoon();
  }

  /**
   * Resolves when staging has taken what fills the buffer: what is whole, and
   * of the transaction at `openTime`, which goes on, a part.
   */
  async relieve(openTime: Timestamp): Promise<void> {
    this.#cancelTimer();
    while (this.#staging) {
      await this.#staging;
    }
    this.#throwIfOver();
    if (this.#closedLsn > this.#stagedLsn) {
      await this.#stage();
      this.#throwIfOver();
    }
    if (this.#buffer.sizeBytes > this.#options.bufferBytes / 2) {
      this.#staging = this.#advance({
        tables: this.#buffer.takeOpen(),
        resolved: this.#closedTime,
        lsn: this.#stagedLsn,
        partOf: openTime,
      });
      await this.#staging;
      this.#throwIfOver();
    }
  }

  /** Before a transaction, never in it: it could not go on otherwise. */
  room(): Promise<void> | undefined {
    try {
      this.#options.feed.admit();
      return undefined;
    } catch (error) {
      return this.#untilRoom(error);
    }
  }

  /** Resolves when all that is whole is durable and confirmed; ends it all. */
  async finish(): Promise<void> {
    this.#cancelTimer();
    while (this.#staging) {
      await this.#staging;
    }
    if (!this.#isOver && this.#closedLsn > this.#stagedLsn) {
      await this.#stage();
    }
    this.#isOver = true;
  }

  async #untilRoom(error: unknown): Promise<void> {
    if (!(error instanceof ReplicatorError)) {
      throw error;
    }
    for (let look = 1; ; look += 1) {
      this.#options.observer.waitingForStaging(error);
      this.#stageSoon();
      await sleep(roomPollMs);
      this.#throwIfOver();
      if (
        look % looksBetweenQuestions === 0 &&
        (await this.#options.isSourceLeaving())
      ) {
        throw new ReplicatorError('E6010', {
          detail: 'the source is shutting down while staging has no room',
        });
      }
      try {
        this.#options.feed.admit();
        return;
      } catch {
        // Not yet.
      }
    }
  }

  get #isPlaceDue(): boolean {
    return performance.now() - this.#stagedAtMs > idleMs;
  }

  #stageSoon(): void {
    if (this.#staging || this.#timer || this.#isOver || !this.#hasRows) {
      return;
    }
    const patienceMs = this.#hasBacklog ? backlogCompanyMs : companyMs;
    const waitMs = this.#stagedAtMs + patienceMs - performance.now();
    if (waitMs <= 0 || this.#buffer.sizeBytes > companyBytes) {
      void this.#stage();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#stageSoon();
    }, waitMs);
  }

  /** Stages what is whole. Never rejects: `failed` is told. */
  #stage(): Promise<void> {
    if (this.#staging || this.#isOver) {
      return this.#staging ?? Promise.resolve();
    }
    this.#hasRows = false;
    this.#staging = this.#advance({
      tables: this.#buffer.takeClosed(),
      resolved: this.#closedTime,
      lsn: this.#closedLsn,
    });
    return this.#staging;
  }

  async #advance({
    lsn,
    ...step
  }: Omit<SourceStep, 'position'> & { readonly lsn: bigint }): Promise<void> {
    const { feed, observer } = this.#options;
    try {
      await feed.advance({ ...step, position: this.#options.positionAt(lsn) });
      this.#stagedLsn = lsn;
      this.#options.confirm(lsn);
      observer.transactions(this.#counts);
      this.#counts = { transactions: 0, rows: 0, empty: 0 };
      observer.staged(lsn, Math.max(0, Date.now() - wallTimeMs(step.resolved)));
    } catch (error) {
      this.#isOver = true;
      this.#options.failed(error);
    }
    this.#stagedAtMs = performance.now();
    this.#staging = null;
    this.#stageSoon();
  }

  #cancelTimer(): void {
    if (this.#timer) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }

  #throwIfOver(): void {
    if (this.#isOver) {
      throw new ReplicatorError('E3005');
    }
  }
}
