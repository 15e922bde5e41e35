import { setTimeout as sleep } from 'node:timers/promises';
import { ReplicatorError } from '../../failure/failure.ts';
import { type Timestamp, wallTimeMs } from '../../mutation/timestamp.ts';
import type { SchemaShape } from '../../target/target.ts';
import type { SourceStep, TransactionFeed } from '../source.ts';
import { CommitClock } from './commit-clock.ts';
import {
  messageKindName,
  messageKinds,
  readBegin,
  readCommit,
  readStreamAbort,
  readStreamCommit,
  readStreamedXid,
  readStreamStart,
} from './decode/pgoutput.ts';
import type { RowDecoder } from './decode/row-decoder.ts';
import { type Spool, SpoolFull } from './spool.ts';
import { StepBuffer } from './step-buffer.ts';
import type { WalHandler } from './wire/wal-stream.ts';

export interface TransactionsOptions {
  readonly feed: TransactionFeed;
  readonly decoder: RowDecoder;
  readonly spool: Spool;
  /** Asks what must be known before the changes of a table can be read. */
  learnRelation(message: Buffer): Promise<void> | undefined;
  /** The same for the tables that a message empties. */
  learnTruncation(message: Buffer): Promise<void> | undefined;
  /** Whether the source is shutting down, and waits for all to be read. */
  isSourceLeaving(): Promise<boolean>;
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
  /** What rows may take in memory before the stream waits for staging. */
  readonly bufferBytes: number;
  /** Bytes of streamed transactions on disk; beyond, SpoolFull is thrown. */
  readonly spoolBytes: number;
  readonly observer: TransactionsObserver;
}

export interface TransactionCounts {
  readonly transactions: number;
  readonly rows: number;
  /** Transactions in which nothing was for the feed. */
  readonly empty: number;
}

/** For metrics; never blocks. */
export interface TransactionsObserver {
  /** Since it was last told; with each step. */
  transactions(counts: TransactionCounts): void;
  /** `ageMs`: since the newest transaction of the step was committed. */
  staged(lsn: bigint, ageMs: number): void;
  /** Again and again, while it lasts. */
  waitingForStaging(error: ReplicatorError): void;
}

/**
 * Steps that are small wait this long for company: a commit of staging costs
 * about half a millisecond however much is in it.
 */
const companyMs = 4;
const companyBytes = 256 * 1024;
/** How often an idle source's place is staged, so that its WAL can go. */
const idleMs = 1_000;
const roomPollMs = 100;
/** A source that shuts down waits for us to read everything: for ever, else. */
const looksBetweenQuestions = 20;

/**
 * From the messages of the stream to steps of the feed.
 *
 *     B …changes… C        decoded as they come; whole at C
 *     S …changes… E        spooled; decoded when `c` brings the commit
 *     keepalive            all before it is whole: an idle place
 *
 * A step is staged while the next one is decoded. One transaction that
 * outgrows the buffer goes ahead in parts, later than what is resolved, and
 * so invisible until its end comes.
 *
 * Order: a step is durable, then its place is confirmed. Never another.
 */
export class Transactions implements WalHandler {
  readonly #options: TransactionsOptions;
  readonly #buffer = new StepBuffer();
  readonly #clock: CommitClock;
  /** The transaction that is being decoded. */
  #open: { readonly time: Timestamp; readonly isStaged: boolean } | null = null;
  /** Its messages are being spooled. */
  #streamed: number | null = null;
  /** What the next step ends with. */
  #closedTime: Timestamp;
  #closedLsn: bigint;
  #stagedLsn: bigint;
  #staging: Promise<void> | null = null;
  #stagedAtMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #isOver = false;
  /** Nothing but keepalives has come since the last one. */
  #isQuiet = false;
  /** Whole transactions have rows that no step has taken with it yet. */
  #mustStage = false;
  #shape: SchemaShape;
  #counts = { transactions: 0, rows: 0, empty: 0 };

  constructor(options: TransactionsOptions) {
    this.#options = options;
    this.#clock = new CommitClock(options.resolved);
    this.#closedTime = options.resolved;
    this.#closedLsn = options.stagedLsn;
    this.#stagedLsn = options.stagedLsn;
    this.#shape = options.feed.shape();
  }

  message(payload: Buffer): Promise<void> | undefined {
    this.#isQuiet = false;
    if (this.#streamed !== null) {
      return this.#streamedMessage(payload, this.#streamed);
    }
    switch (payload[0]!) {
      case messageKinds.insert:
      case messageKinds.update:
      case messageKinds.delete:
        return this.#change(payload);
      case messageKinds.truncate:
        return this.#truncate(payload);
      case messageKinds.begin:
        return this.#begin(payload);
      case messageKinds.commit:
        this.#commit(readCommit(payload).endLsn);
        return undefined;
      case messageKinds.relation:
        return this.#options.learnRelation(payload);
      case messageKinds.type:
      case messageKinds.origin:
      case messageKinds.logicalMessage:
        return undefined;
      case messageKinds.streamStart:
        this.#streamed = readStreamStart(payload).xid;
        return undefined;
      case messageKinds.streamCommit:
        return this.#replay(payload);
      case messageKinds.streamAbort: {
        const { xid, subXid } = readStreamAbort(payload);
        if (xid === subXid) {
          return this.#options.spool.abort(xid);
        }
        this.#options.spool.abortPart(xid, subXid);
        return undefined;
      }
      default:
        throw unexpected(payload);
    }
  }

  keepalive(
    walEnd: bigint,
    serverMicros: bigint,
    replyAsked: boolean,
  ): Promise<void> | undefined {
    if (this.#open !== null) {
      return undefined;
    }
    // Whatever was committed before this place has come, and is whole.
    if (walEnd > this.#closedLsn) {
      this.#closedLsn = walEnd;
    }
    if (!this.#mustStage && !this.#staging) {
      // The first one behind a change may be followed by more of them, of a
      // backlog: only a source that is quiet is at its own time.
      if (this.#isQuiet) {
        this.#closedTime = this.#clock.next(serverMicros);
      }
      if (replyAsked || this.#isPlaceDue) {
        void this.#stage();
      }
    }
    this.#isQuiet = true;
    return undefined;
  }

  paused(): void {
    // A busy source whose changes are all left out sends no keepalives.
    if (this.#isPlaceDue && this.#closedLsn > this.#stagedLsn) {
      void this.#stage();
    }
    this.#stageSoon();
  }

  get #isPlaceDue(): boolean {
    return performance.now() - this.#stagedAtMs > idleMs;
  }

  /** Resolves when all that is whole is durable and confirmed. */
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

  #begin(payload: Buffer): Promise<void> | undefined {
    const { finalLsn, commitMicros } = readBegin(payload);
    this.#openTransaction(commitMicros, finalLsn < this.#options.stagedLsn);
    return this.#waitForRoom();
  }

  #openTransaction(commitMicros: bigint, isStaged: boolean): void {
    this.#open = { time: this.#clock.next(commitMicros), isStaged };
    this.#buffer.begin();
    const shape = this.#options.feed.shape();
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#options.decoder.refresh();
    }
  }

  #change(payload: Buffer): Promise<void> | undefined {
    const open = this.#open;
    if (open === null) {
      throw unexpected(payload);
    }
    if (open.isStaged) {
      return undefined;
    }
    this.#options.decoder.change(payload, 0, open.time, this.#buffer);
    return this.#buffer.sizeBytes > this.#options.bufferBytes
      ? this.#relieve()
      : undefined;
  }

  #truncate(payload: Buffer): Promise<void> | undefined {
    return (
      this.#options
        .learnTruncation(payload)
        ?.then(() => this.#change(payload)) ?? this.#change(payload)
    );
  }

  #commit(endLsn: bigint): void {
    this.#closedTime = this.#open!.time;
    if (this.#buffer.openCount > 0) {
      this.#mustStage = true;
      this.#counts.transactions += 1;
      this.#counts.rows += this.#buffer.openCount;
    } else if (!this.#open!.isStaged) {
      this.#counts.empty += 1;
    }
    this.#open = null;
    this.#buffer.commit();
    if (endLsn > this.#closedLsn) {
      this.#closedLsn = endLsn;
    }
  }

  #streamedMessage(payload: Buffer, xid: number): Promise<void> | undefined {
    switch (payload[0]!) {
      case messageKinds.streamStop:
        this.#streamed = null;
        return undefined;
      case messageKinds.insert:
      case messageKinds.update:
      case messageKinds.delete:
      case messageKinds.truncate:
      case messageKinds.relation: {
        const { spool, spoolBytes } = this.#options;
        const subXid = readStreamedXid(payload);
        const kept = spool.put(xid, subXid, withoutXid(payload));
        if (kept && spool.sizeBytes > spoolBytes) {
          throw new SpoolFull();
        }
        return kept;
      }
      case messageKinds.type:
      case messageKinds.origin:
      case messageKinds.logicalMessage:
        return undefined;
      default:
        throw unexpected(payload);
    }
  }

  /** A streamed transaction has ended: it comes now, as if in one piece. */
  async #replay(payload: Buffer): Promise<void> {
    const { xid, commitLsn, endLsn, commitMicros } = readStreamCommit(payload);
    this.#openTransaction(commitMicros, commitLsn < this.#options.stagedLsn);
    await this.#waitForRoom();
    for await (const message of this.#options.spool.take(xid)) {
      await this.#replayed(message);
    }
    this.#commit(endLsn);
  }

  #replayed(message: Buffer): Promise<void> | undefined {
    switch (message[0]!) {
      case messageKinds.relation:
        return this.#options.learnRelation(message);
      case messageKinds.truncate:
        return this.#truncate(message);
      default:
        return this.#change(message);
    }
  }

  /** Holds the stream until staging has taken what fills the buffer. */
  async #relieve(): Promise<void> {
    this.#cancelTimer();
    while (this.#staging) {
      await this.#staging;
    }
    this.#throwIfFailed();
    if (this.#closedLsn > this.#stagedLsn) {
      await this.#stage();
      this.#throwIfFailed();
    }
    if (this.#buffer.sizeBytes > this.#options.bufferBytes / 2) {
      const tables = this.#buffer.takeOpen();
      this.#staging = this.#advance(tables, {
        resolved: this.#closedTime,
        lsn: this.#stagedLsn,
        partOf: this.#open!.time,
      });
      await this.#staging;
      this.#throwIfFailed();
    }
  }

  /** Before a transaction, never in it: it could not go on otherwise. */
  #waitForRoom(): Promise<void> | undefined {
    try {
      this.#options.feed.admit();
      return undefined;
    } catch (error) {
      return this.#untilRoom(error);
    }
  }

  async #untilRoom(error: unknown): Promise<void> {
    if (!(error instanceof ReplicatorError)) {
      throw error;
    }
    for (let look = 1; ; look += 1) {
      this.#options.observer.waitingForStaging(error);
      this.#stageSoon();
      await sleep(roomPollMs);
      this.#throwIfFailed();
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

  #stageSoon(): void {
    if (this.#staging || this.#timer || this.#isOver || !this.#mustStage) {
      return;
    }
    const waitMs = this.#stagedAtMs + companyMs - performance.now();
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
    const lsn = this.#closedLsn;
    this.#mustStage = false;
    this.#staging = this.#advance(this.#buffer.takeClosed(), {
      resolved: this.#closedTime,
      lsn,
    });
    return this.#staging;
  }

  async #advance(
    tables: SourceStep['tables'],
    {
      resolved,
      lsn,
      partOf,
    }: {
      readonly resolved: Timestamp;
      readonly lsn: bigint;
      readonly partOf?: Timestamp;
    },
  ): Promise<void> {
    const options = this.#options;
    try {
      const position = options.positionAt(lsn);
      await options.feed.advance({
        tables,
        resolved,
        position,
        ...(partOf !== undefined && { partOf }),
      });
      this.#stagedLsn = lsn;
      options.confirm(lsn);
      options.observer.transactions(this.#counts);
      this.#counts = { transactions: 0, rows: 0, empty: 0 };
      options.observer.staged(
        lsn,
        Math.max(0, Date.now() - wallTimeMs(resolved)),
      );
    } catch (error) {
      this.#isOver = true;
      options.failed(error);
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

  #throwIfFailed(): void {
    if (this.#isOver) {
      throw new ReplicatorError('E3005');
    }
  }
}

/** As the message stands outside a stream: without its transaction's id. */
function withoutXid(payload: Buffer): Buffer {
  const message = Buffer.allocUnsafe(payload.length - 4);
  message[0] = payload[0]!;
  payload.copy(message, 1, 5);
  return message;
}

function unexpected(payload: Buffer): ReplicatorError {
  return new ReplicatorError('E6009', {
    detail: `the source sent a message of the kind "${messageKindName(payload[0] ?? 0)}" where none may stand`,
  });
}
