/**
 * The replication connection: from START_REPLICATION to the messages of the
 * output plugin, and back the places that are durable here.
 *
 * The `pg` package dials and logs in; from then on the socket is ours. Its own
 * reading makes a Buffer and an event for each message, and the walsender
 * writes nearly every message in a packet of its own: waking for each costs
 * both sides more than decoding does. A short pause after a small read lets
 * packets pool (bench case slot-decode).
 *
 * Only {@link WalStream.confirm} moves the slot: whatever has been received
 * and is not confirmed is sent again after a reconnect.
 */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { PostgresAddress } from '../../../config/address/postgres.ts';
import { dialPostgres } from '../../../config/address/postgres-dial.ts';
import { ReplicatorError } from '../../../failure/failure.ts';
import { printLsn } from '../server/lsn.ts';
import { sourceFailure } from '../server/source-errors.ts';
import { ReadGate } from './read-gate.ts';
import { ServerError, serverError } from './wal-errors.ts';
import { FrameReader } from './wal-frames.ts';

export interface WalStreamOptions {
  readonly address: PostgresAddress;
  readonly slotName: string;
  /** Where to begin; 0 is where the slot stands. */
  readonly from: bigint;
  /** Parameters of the output plugin: `proto_version`, `publication_names`. */
  readonly plugin: Readonly<Record<string, string>>;
  /** A place is sent to the server at least this often. */
  readonly standbyTimeoutMs: number;
}

/** What a stream hands on; a promise holds the stream until it is settled. */
export interface WalHandler {
  /**
   * One message of the plugin lies between `start` and `end`, and stays there
   * until the handler is done. A Buffer of its own would cost more than reading
   * the begin and the commit of a transaction does.
   */
  message(
    buffer: Buffer,
    start: number,
    end: number,
  ): Promise<void> | undefined;
  /** Everything before `walEnd` has been sent. */
  keepalive(
    walEnd: bigint,
    serverMicros: bigint,
    replyAsked: boolean,
  ): Promise<void> | undefined;
  /** Whatever was read is handled. `isMore`: so much that there is more of it. */
  paused(isMore: boolean): void;
}

/** A read of at least this many bytes is followed by the next one at once. */
const fullReadBytes = 32 * 1024;
const poolPauseMs = 1;
/** Of standby timeouts: a server silent for longer is taken for dead. */
const silentTimeouts = 12;
const partingMs = 1_000;
/** PostgreSQL counts from 2000-01-01. */
const postgresEpochMs = 946_684_800_000;

const sessionSettings = [
  "set timezone to 'UTC'",
  "set datestyle to 'ISO, YMD'",
  "set intervalstyle to 'postgres'",
  "set bytea_output to 'hex'",
  "set lc_monetary to 'C'",
  'set extra_float_digits to 3',
  // What the server passes over it says with a warning alone (`refuseGap`).
  "set client_min_messages to 'warning'",
  // As it says: what is committed is sent, however long it lay there.
  'set statement_timeout to 0',
];

export class WalStream implements AsyncDisposable {
  readonly #client: pg.Client;
  readonly #socket: Socket;
  readonly #gate: ReadGate;
  readonly #options: WalStreamOptions;
  readonly #frames = new FrameReader();
  readonly #ended = Promise.withResolvers<void>();
  readonly #started = Promise.withResolvers<void>();
  #handler: WalHandler | null = null;
  /** The server has agreed to START_REPLICATION. */
  #hasStarted = false;
  #failure: unknown = null;
  #isOver = false;
  #isStopped = false;
  #pumping = false;
  #confirmed = 0n;
  #received = 0n;
  #heardAtMs = performance.now();
  #isHeld = false;
  #lastReadBytes = 0;
  #statusEveryMs: number;
  #timer: NodeJS.Timeout | undefined;

  private constructor(client: pg.Client, options: WalStreamOptions) {
    this.#client = client;
    this.#statusEveryMs = options.standbyTimeoutMs / 2;
    this.#socket = (client as unknown as ClientInternals).connection.stream;
    this.#gate = new ReadGate(this.#socket);
    this.#options = options;
  }

  /**
   * Dials and takes the slot; nothing is read before {@link run}. Rejects
   * with E6001 to E6004, E6007 or E6010, or the signal's reason.
   */
  static async open(
    options: WalStreamOptions,
    signal: AbortSignal,
  ): Promise<WalStream> {
    let stream: WalStream | null = null;
    const cut = (): void => stream?.cut();
    signal.addEventListener('abort', cut, { once: true });
    try {
      const client = await dialPostgres(
        options.address,
        {
          replication: 'database',
          query_timeout: options.standbyTimeoutMs * silentTimeouts,
        } as pg.ClientConfig,
        signal,
      );
      stream = new WalStream(client, options);
      for (const setting of sessionSettings) {
        signal.throwIfAborted();
        await client.query(setting);
      }
      await stream.#askPatience();
      await stream.#start();
      signal.throwIfAborted();
      return stream;
    } catch (error) {
      stream?.cut();
      signal.throwIfAborted();
      throw sourceFailure(error, options.address.display);
    } finally {
      signal.removeEventListener('abort', cut);
    }
  }

  /** How far the server had read its WAL when it last said so. */
  get receivedLsn(): bigint {
    return this.#received;
  }

  /**
   * Hands messages on until the stream is cut. Rejects when the connection
   * ends otherwise, and with whatever the handler threw.
   */
  async run(handler: WalHandler): Promise<void> {
    this.#handler = handler;
    this.#heardAtMs = performance.now();
    this.#timer = setInterval(() => this.#tick(), this.#statusEveryMs);
    void this.#pump();
    try {
      await this.#ended.promise;
    } finally {
      clearInterval(this.#timer);
    }
    if (this.#failure) {
      this.cut();
      throw this.#failure;
    }
  }

  /** Everything before the place is durable here: the server may forget it. */
  confirm(lsn: bigint): void {
    if (lsn > this.#confirmed) {
      this.#confirmed = lsn;
      this.#sendStatus(false);
    }
  }

  /** Ends `run` after the message that is being handled; places still go out. */
  stop(): void {
    this.#isStopped = true;
    this.#gate.shut();
    this.#ended.resolve();
  }

  /** Ends `run`, and the connection, at once. */
  cut(): void {
    this.#isOver = true;
    this.#socket.destroy();
    this.#ended.resolve();
  }

  /** Tells the server where we are and that we go, so that the slot is free. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver && !this.#socket.destroyed) {
      this.#isOver = true;
      this.#sendStatus(false);
      const closed = new Promise<void>((resolve) =>
        this.#socket.once('close', () => resolve()),
      );
      // What is still under way must be read for the end to come.
      this.#socket.removeAllListeners('data');
      this.#socket.on('data', () => {});
      this.#gate.open();
      this.#socket.write(copyDone);
      this.#socket.end(terminate);
      await Promise.race([closed, sleep(partingMs, undefined, { ref: false })]);
    }
    this.cut();
  }

  /** How long the server waits for a word of ours; 0 is for ever. */
  async #askPatience(): Promise<void> {
    const { rows } = await this.#client.query<{ setting: string }>(
      "select setting from pg_settings where name = 'wal_sender_timeout'",
    );
    const timeoutMs = Number(rows[0]?.setting ?? 0);
    if (timeoutMs > 0) {
      this.#statusEveryMs = Math.min(this.#statusEveryMs, timeoutMs / 3);
    }
  }

  async #start(): Promise<void> {
    const socket = this.#socket;
    // The session is idle: pg's parser holds no rest of anything.
    socket.removeAllListeners('data');
    socket.removeAllListeners('end');
    socket.on('data', (chunk: Buffer) => this.#arrived(chunk));
    socket.on('close', () =>
      this.#fail(this.#lost('the connection was closed by the server')),
    );
    socket.on('error', (error) => this.#fail(this.#lost(error.message, error)));
    const { slotName, from, plugin, standbyTimeoutMs } = this.#options;
    const parameters = Object.entries(plugin)
      .map(([name, value]) => `"${name}" ${quoteLiteral(value)}`)
      .join(', ');
    socket.write(
      query(
        `START_REPLICATION SLOT "${slotName.replaceAll('"', '""')}" LOGICAL ${printLsn(from)} (${parameters})`,
      ),
    );
    const late = setTimeout(
      () => this.#fail(this.#silentFor(standbyTimeoutMs * silentTimeouts)),
      standbyTimeoutMs * silentTimeouts,
    );
    try {
      await Promise.race([this.#started.promise, this.#ended.promise]);
    } finally {
      clearTimeout(late);
    }
    if (this.#failure) {
      throw this.#failure;
    }
  }

  #arrived(chunk: Buffer): void {
    this.#heardAtMs = performance.now();
    this.#frames.add(chunk);
    this.#lastReadBytes = chunk.length;
    this.#gate.shut();
    void this.#pump();
  }

  /**
   * One read a turn: libuv would read on as long as there is something, and
   * nobody who applies would have his turn.
   */
  #readOn(): void {
    const open = (): void => {
      if (!this.#isHeld && !this.#isStopped && !this.#isOver) {
        this.#gate.open();
      }
    };
    if (this.#isMore) {
      setImmediate(open);
    } else {
      setTimeout(open, poolPauseMs);
    }
  }

  get #isMore(): boolean {
    return this.#lastReadBytes >= fullReadBytes;
  }

  get #mayHandle(): boolean {
    const waitsForRun = this.#hasStarted && this.#handler === null;
    return !this.#isOver && !this.#isStopped && !waitsForRun;
  }

  async #pump(): Promise<void> {
    if (this.#pumping) {
      return;
    }
    this.#pumping = true;
    try {
      // The answer to START_REPLICATION is read at once, the rest by run().
      while (this.#mayHandle && this.#frames.next()) {
        const waiting = this.#handle(this.#frames);
        if (waiting) {
          this.#isHeld = true;
          this.#gate.shut();
          await waiting;
          this.#isHeld = false;
        }
      }
      if (this.#mayHandle) {
        this.#handler?.paused(this.#isMore);
        this.#readOn();
      }
    } catch (error) {
      this.#fail(
        error instanceof ServerError
          ? sourceFailure(error, this.#options.address.display)
          : error,
      );
    } finally {
      this.#pumping = false;
    }
  }

  #handle(frames: FrameReader): Promise<void> | undefined {
    switch (frames.type) {
      case messageType.copyData:
        return this.#copyData(frames);
      case messageType.copyBoth:
        this.#hasStarted = true;
        this.#started.resolve();
        return undefined;
      case messageType.error:
        throw streamError(
          serverError(frames.buffer.subarray(frames.start, frames.end)),
        );
      case messageType.notice:
        refuseGap(
          serverError(frames.buffer.subarray(frames.start, frames.end)),
        );
        return undefined;
      case messageType.copyDone:
        throw this.#lost('the server ended the stream');
      default:
        // Parameters; whatever else comes ends the stream anyway.
        return undefined;
    }
  }

  #copyData({ buffer, start, end }: FrameReader): Promise<void> | undefined {
    const handler = this.#handler!;
    switch (buffer[start]!) {
      case copyType.walData:
        return handler.message(buffer, start + 25, end);
      case copyType.keepalive: {
        const walEnd = buffer.readBigUInt64BE(start + 1);
        this.#received = walEnd;
        const replyAsked = buffer[start + 17] === 1;
        const handled = handler.keepalive(
          walEnd,
          buffer.readBigInt64BE(start + 9),
          replyAsked,
        );
        if (replyAsked) {
          this.#sendStatus(false);
        }
        return handled;
      }
      default:
        return undefined;
    }
  }

  /** Whatever holds us up, the server hears from us; and we ask after it. */
  #tick(): void {
    const { standbyTimeoutMs } = this.#options;
    const silentMs = performance.now() - this.#heardAtMs;
    if (this.#isHeld) {
      // We do not listen, so silence says nothing.
      this.#heardAtMs = performance.now();
    } else if (silentMs > standbyTimeoutMs * silentTimeouts) {
      this.#fail(this.#silentFor(silentMs));
      return;
    }
    this.#sendStatus(silentMs > standbyTimeoutMs);
  }

  #sendStatus(asksReply: boolean): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) {
      return;
    }
    const message = Buffer.allocUnsafe(5 + 34);
    message[0] = messageType.copyData;
    message.writeInt32BE(4 + 34, 1);
    message[5] = copyType.status;
    // Written, flushed, applied: nothing counts before it is durable.
    message.writeBigUInt64BE(this.#confirmed, 6);
    message.writeBigUInt64BE(this.#confirmed, 14);
    message.writeBigUInt64BE(this.#confirmed, 22);
    message.writeBigInt64BE(BigInt(Date.now() - postgresEpochMs) * 1_000n, 30);
    message[38] = asksReply ? 1 : 0;
    this.#socket.write(message);
  }

  #silentFor(silentMs: number): ReplicatorError {
    return this.#lost(
      `the server has been silent for ${Math.round(silentMs / 1_000)} seconds`,
    );
  }

  #lost(why: string, cause?: unknown): ReplicatorError {
    return new ReplicatorError('E6010', {
      detail: `the connection to the source ${this.#options.address.display} failed (${why})`,
      cause,
    });
  }

  /** What the handler throws stays what it is: a fault here is no network's. */
  #fail(error: unknown): void {
    if (!this.#isOver) {
      this.#failure ??= error;
    }
    this.#isOver = true;
    this.#started.resolve();
    this.#ended.resolve();
    this.#socket.destroy();
  }
}

const messageType = {
  copyBoth: 0x57,
  copyData: 0x64,
  copyDone: 0x63,
  error: 0x45,
  notice: 0x4e,
} as const;

const copyType = { walData: 0x77, keepalive: 0x6b, status: 0x72 } as const;

const copyDone = Buffer.from([messageType.copyDone, 0, 0, 0, 4]);
const terminate = Buffer.from([0x58, 0, 0, 0, 4]);

/** A publication was dropped; until 17 the server refuses to go on. */
const undefinedObject = '42704';
/** From 18 on it warns, and passes over what was published: data loss. */
const objectNotInState = '55000';

function streamError(error: ServerError): Error {
  return error.code === undefinedObject && /publi[ck]/i.test(error.message)
    ? unpublished(error)
    : error;
}

function refuseGap(warning: ServerError): void {
  if (warning.code === objectNotInState) {
    throw unpublished(warning);
  }
}

function unpublished({ message }: ServerError): ReplicatorError {
  return new ReplicatorError('E6002', {
    detail: `the source says: ${message}`,
    remedy:
      'create the publication, and after it a new slot, and load the tables again as of that slot: what was committed while there was no publication can never be read, even when it is there again (docs/06-postgresql-source.md, "When a slot is lost")',
  });
}

function query(text: string): Buffer {
  const body = Buffer.from(`${text}\0`, 'utf8');
  const head = Buffer.from([0x51, 0, 0, 0, 0]);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** What the pg package's client has and its declarations do not say. */
interface ClientInternals {
  readonly connection: { readonly stream: Socket };
}
