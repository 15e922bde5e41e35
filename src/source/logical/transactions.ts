import { ReplicatorError } from '../../failure/failure.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type { SchemaShape } from '../../target/target.ts';
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
import { type RunLimits, StepBuffer } from './step-buffer.ts';
import { Steps, type StepsOptions } from './steps.ts';
import type { WalHandler } from './wire/wal-stream.ts';

export interface TransactionsOptions extends StepsOptions {
  readonly decoder: RowDecoder;
  readonly spool: Spool;
  /** Asks what must be known before the changes of a table can be read. */
  learnRelation(message: Buffer): Promise<void> | undefined;
  /** The same for the tables that a message empties. */
  learnTruncation(message: Buffer): Promise<void> | undefined;
  /** How much of what follows one another is joined; null: nothing. */
  readonly runLimits: RunLimits | null;
  /** Bytes of streamed transactions on disk; beyond, SpoolFull is thrown. */
  readonly spoolBytes: number;
}

/**
 * From the messages of the stream to steps of the feed.
 *
 *     B …changes… C        decoded as they come; whole at C
 *     S …changes… E        spooled; decoded when `c` brings the commit
 *     keepalive            all before it is whole: an idle place
 *
 * One transaction that outgrows the buffer goes ahead in parts, later than
 * what is resolved, and so invisible until its end comes (steps.ts).
 */
export class Transactions implements WalHandler {
  readonly #options: TransactionsOptions;
  readonly #buffer: StepBuffer;
  readonly #steps: Steps;
  readonly #clock: CommitClock;
  /** The transaction that is being decoded. */
  #open: { readonly time: Timestamp; readonly isStaged: boolean } | null = null;
  /** Its messages are being spooled. */
  #streamed: number | null = null;
  /** Nothing but keepalives has come since the last one. */
  #isQuiet = false;
  #shape: SchemaShape;

  constructor(options: TransactionsOptions) {
    this.#options = options;
    this.#buffer = new StepBuffer(options.runLimits);
    this.#steps = new Steps(options, this.#buffer);
    this.#clock = new CommitClock(options.resolved);
    this.#shape = options.feed.shape();
  }

  message(
    buffer: Buffer,
    start = 0,
    end: number = buffer.length,
  ): Promise<void> | undefined {
    this.#isQuiet = false;
    if (this.#streamed === null) {
      if (buffer[start] === messageKinds.begin) {
        return this.#begin(buffer, start, end);
      }
      if (buffer[start] === messageKinds.commit) {
        this.#commit(readCommit(buffer, start, end).endLsn);
        return undefined;
      }
    }
    return this.#otherMessage(buffer.subarray(start, end));
  }

  #otherMessage(payload: Buffer): Promise<void> | undefined {
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
      case messageKinds.relation:
        return this.#learn(payload);
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
    if (this.#open === null) {
      // The first one behind a change may be followed by more of them, of a
      // backlog: only a source that is quiet is at its own time.
      const isQuiet = this.#isQuiet;
      this.#steps.idle(
        walEnd,
        () => (isQuiet ? this.#clock.next(serverMicros) : null),
        replyAsked,
      );
    }
    this.#isQuiet = true;
    return undefined;
  }

  paused(isMore: boolean): void {
    this.#steps.soon(isMore);
  }

  /** Resolves when all that is whole is durable and confirmed. */
  finish(): Promise<void> {
    return this.#steps.finish();
  }

  #begin(
    buffer: Buffer,
    start: number,
    end: number,
  ): Promise<void> | undefined {
    const { finalLsn, commitMicros } = readBegin(buffer, start, end);
    this.#openTransaction(commitMicros, finalLsn < this.#options.stagedLsn);
    return this.#steps.room();
  }

  #openTransaction(commitMicros: bigint, isStaged: boolean): void {
    this.#open = { time: this.#clock.next(commitMicros), isStaged };
    this.#buffer.begin();
    const shape = this.#options.feed.shape();
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#buffer.separate();
      this.#options.decoder.refresh();
    }
  }

  #learn(message: Buffer): Promise<void> | undefined {
    this.#buffer.separate();
    return this.#options.learnRelation(message);
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
      ? this.#steps.relieve(open.time)
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
    const { time, isStaged } = this.#open!;
    const rowCount = this.#buffer.openCount;
    this.#open = null;
    this.#buffer.commit(time);
    this.#steps.closed(time, endLsn, { rowCount, isStaged });
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
    await this.#steps.room();
    for await (const message of this.#options.spool.take(xid)) {
      await this.#replayed(message);
    }
    this.#commit(endLsn);
  }

  #replayed(message: Buffer): Promise<void> | undefined {
    switch (message[0]!) {
      case messageKinds.relation:
        return this.#learn(message);
      case messageKinds.truncate:
        return this.#truncate(message);
      default:
        return this.#change(message);
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
