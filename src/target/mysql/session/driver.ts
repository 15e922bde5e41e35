/** One connection of the mysql2 package: dialled, prepared, cancelled, closed. */
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type mysql from 'mysql2';
import type { MysqlAddress } from '../../../config/address/mysql.ts';
import type { PooledConnection } from '../../connections/connection-pool.ts';
import { dialOnce } from './dial.ts';
import { isServerError, mayWorkOtherwise, targetFailure } from './errors.ts';
import {
  binlogQuery,
  factsQuery,
  mariadbSettings,
  mysqlSettings,
  sessionSettings,
} from './session.ts';

export interface SessionOptions {
  /** A statement, or a pause inside a transaction, that lasts longer fails. 0 = never. */
  readonly applyTimeoutMs: number;
  /** Prepared statements kept on each connection. */
  readonly statementCacheSize: number;
  /** Counted up by every connection. */
  readonly statementCounts: {
    hitCount: number;
    missCount: number;
    dropCount: number;
  };
}

/** What the server said of itself when it was dialled. */
export interface ServerFacts {
  /** `8.4.3`, `10.11.18-MariaDB`. */
  readonly version: string;
  readonly isMariadb: boolean;
  /** LOAD DATA LOCAL is allowed. */
  readonly hasLocalInfile: boolean;
  readonly maxPacketBytes: number;
  /** The most that a table of the engine MEMORY may hold; 0: none may be used. */
  readonly memoryTableBytes: number;
  /** Names of schemas and tables are folded to lower case. */
  readonly foldsTableNames: boolean;
}

export type TextRow = Readonly<Record<string, string | null>>;

export interface Answer {
  readonly rows: readonly TextRow[];
  /** Rows that the statement found, changed or not. */
  readonly affectedRows: number;
  readonly warningCount: number;
}

/** A temporary table of a session. */
export interface SessionTable {
  /** How long the texts and bytes of each column may be; null: as at the target. */
  readonly lengths: readonly (number | null)[] | null;
  /**
   *     empty     made, or emptied
   *     filled    loaded, whatever became of the transaction: MEMORY keeps its
   *               rows when one is rolled back
   *     emptying  the delete goes out with the next statement
   */
  state: 'empty' | 'filled' | 'emptying';
}

/** A login hashes a password thousands of times; a busy machine needs that. */
const shortestDialLimitMs = 1_000;
/** How long a cancelled statement may take to end before the socket is cut. */
const cancelGraceMs = 5000;
/** Chunks of a stream to LOAD DATA that lie ready. */
const chunksAhead = 4;

/** What mysql2's connection has and its declarations do not say. */
interface ClientInternals {
  readonly stream: Socket;
}

interface Prepared {
  execute(
    values: readonly string[],
    done: (error: Error | null, result?: unknown) => void,
  ): void;
}

export class MysqlConnection implements PooledConnection {
  readonly #client: mysql.Connection;
  readonly #address: MysqlAddress;
  readonly #tls: TlsOptions | false;
  readonly #options: SessionOptions;
  /** Statement text to statement, least recently used first. */
  readonly #prepared = new Map<string, Prepared>();
  #facts: ServerFacts | null = null;
  #alive = true;
  /** A cancel request may still be on its way: nobody else may have it. */
  #spent = false;
  /** Why the server ended the session, where it still could say so. */
  #farewell: unknown = null;
  /** Temporary tables of this session by name, least recently used first. */
  readonly temporaryTables = new Map<string, SessionTable>();
  /** Names of those that the engine MEMORY has refused. */
  readonly notInMemory = new Set<string>();
  /**
   * By table: so many times in a row nothing but new rows was written, or
   * below zero how often that is not to be assumed.
   */
  readonly newRowStreaks = new Map<string, number>();
  /** What goes out in front of the next statement. */
  #ahead: {
    readonly text: string;
    readonly settled: ((isDone: boolean) => void) | undefined;
  }[] = [];
  /** The account may not create temporary tables. */
  lacksTemporaryTables = false;

  private constructor(
    client: mysql.Connection,
    address: MysqlAddress,
    tls: TlsOptions | false,
    options: SessionOptions,
  ) {
    this.#client = client;
    this.#address = address;
    this.#tls = tls;
    this.#options = options;
    client.on('error', (error) => {
      this.#alive = false;
      this.#farewell ??= isServerError(error) ? error : null;
    });
    // Of a loss mysql2 tells only whoever waits for an answer at the moment.
    (client as unknown as ClientInternals).stream.once('close', () => {
      this.#alive = false;
    });
  }

  get usable(): boolean {
    return this.#alive && !this.#spent;
  }

  /** It still answers, though perhaps for nobody else. */
  get answers(): boolean {
    return this.#alive;
  }

  get facts(): ServerFacts {
    return this.#facts!;
  }

  static async dial(
    address: MysqlAddress,
    options: SessionOptions,
    signal?: AbortSignal,
  ): Promise<MysqlConnection> {
    let failure: unknown;
    const late = AbortSignal.timeout(dialLimitMs(address, options));
    const stop = signal ? AbortSignal.any([signal, late]) : late;
    for (const tls of address.attempts) {
      signal?.throwIfAborted();
      try {
        const client = await dialOnce(address, tls, stop);
        const connection = new MysqlConnection(client, address, tls, options);
        await connection.#begin(stop);
        return connection;
      } catch (error) {
        signal?.throwIfAborted();
        if (late.aborted) {
          failure = Object.assign(new Error('no answer in time'), {
            code: 'ETIMEDOUT',
          });
          break;
        }
        // What a server says tells more than that it has no TLS.
        failure =
          isServerError(failure) && !isServerError(error) ? failure : error;
        if (!mayWorkOtherwise(error, tls !== false)) {
          break;
        }
      }
    }
    throw targetFailure(failure, 'connect', address.display);
  }

  async #begin(stop: AbortSignal): Promise<void> {
    const cut = (): void => this.destroy();
    stop.addEventListener('abort', cut, { once: true });
    try {
      const { applyTimeoutMs } = this.#options;
      await this.#send(sessionSettings(applyTimeoutMs));
      const { rows } = await this.#send(factsQuery);
      const facts = rows[0]!;
      const version = facts['version']!;
      const isMariadb = /mariadb/i.test(version);
      this.#facts = {
        version,
        isMariadb,
        hasLocalInfile: facts['local_infile'] === '1',
        maxPacketBytes: Number(facts['max_packet']),
        memoryTableBytes: logsStatements(await this.#send(binlogQuery))
          ? 0
          : Number(facts['max_heap']),
        foldsTableNames: facts['table_case'] !== '0',
      };
      await this.#send(
        isMariadb ? mariadbSettings(applyTimeoutMs) : mysqlSettings(),
      );
    } catch (error) {
      this.destroy();
      throw error;
    } finally {
      stop.removeEventListener('abort', cut);
    }
  }

  /** The server's name for this session. */
  get processId(): number {
    return this.#client.threadId;
  }

  /** Values are text or null. Of several statements the last one's answer. */
  query(text: string): Promise<Answer> {
    return this.#limited(this.#sendBehind(text));
  }

  /** `load data local infile …`: the chunks are the file. */
  load(text: string, chunks: readonly Buffer[]): Promise<Answer> {
    return this.#limited(
      this.#sendBehind(text, () =>
        Readable.from(chunks, { highWaterMark: chunksAhead }),
      ),
    );
  }

  /**
   * Sends a statement in front of the next one and in one message with it,
   * which fails where this one does: a message of its own costs both sides
   * 0.1 ms. `settled` hears whether all of the message went through.
   */
  sendAhead(text: string, settled?: (isDone: boolean) => void): void {
    this.#ahead.push({ text, settled });
  }

  /** The text may be empty, where something waits to be sent. */
  async #sendBehind(text: string, file?: () => Readable): Promise<Answer> {
    const ahead = this.#ahead;
    if (ahead.length === 0) {
      return this.#send(text, file);
    }
    this.#ahead = [];
    const texts = ahead.map((each) => each.text);
    if (text !== '') {
      texts.push(text);
    }
    let isDone = false;
    try {
      const answer = await this.#send(texts.join(';\n'), file);
      isDone = true;
      return answer;
    } finally {
      for (const { settled } of ahead) {
        settled?.(isDone);
      }
    }
  }

  /** Runs a statement that is kept prepared under its text. */
  async execute(text: string, values: readonly string[]): Promise<Answer> {
    if (this.#ahead.length > 0) {
      await this.query('');
    }
    if (this.#options.statementCacheSize === 0) {
      const prepared = await this.#prepare(text);
      try {
        return await this.#limited(run(prepared, values));
      } finally {
        this.#client.unprepare(text);
      }
    }
    const { statementCounts: counts, statementCacheSize } = this.#options;
    let prepared = this.#prepared.get(text);
    if (prepared) {
      counts.hitCount += 1;
      this.#prepared.delete(text);
    } else {
      counts.missCount += 1;
      if (this.#prepared.size >= statementCacheSize) {
        const oldest = this.#prepared.keys().next().value!;
        this.#prepared.delete(oldest);
        counts.dropCount += 1;
        // Closed by itself, mysql2 would hand it out once more (error 1243).
        this.#client.unprepare(oldest);
      }
      prepared = await this.#limited(this.#prepare(text));
    }
    this.#prepared.set(text, prepared);
    return await this.#limited(run(prepared, values));
  }

  #prepare(text: string): Promise<Prepared> {
    return new Promise((resolve, reject) => {
      this.#client.prepare(text, (error, statement) => {
        if (error) {
          reject(error);
        } else {
          resolve(statement as unknown as Prepared);
        }
      });
    });
  }

  #send(text: string, file?: () => Readable): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#client.query(
        {
          sql: text,
          ...(file && { infileStreamFactory: file }),
        } as mysql.QueryOptions,
        (error, result) => {
          if (error) {
            reject(error);
          } else {
            resolve(answerOf(result));
          }
        },
      );
    });
  }

  /**
   * MySQL limits the time of SELECT alone, so that a statement that lasts too
   * long is killed from here; a server that does not hear that either is cut off.
   */
  async #limited<T>(answer: Promise<T>): Promise<T> {
    const { applyTimeoutMs } = this.#options;
    let cancellation: Disposable | null = null;
    const timer =
      applyTimeoutMs > 0
        ? setTimeout(() => {
            cancellation = this.cancel();
          }, applyTimeoutMs)
        : undefined;
    try {
      return await answer;
    } catch (error) {
      if (!isServerError(error)) {
        this.#alive = false;
      }
      throw isServerError(error) ? error : (this.#farewell ?? error);
    } finally {
      clearTimeout(timer);
      (cancellation as Disposable | null)?.[Symbol.dispose]();
    }
  }

  /**
   * Asks the server, on a connection of its own, to stop what runs here; cuts
   * the socket when that has not helped in time. Never rejects.
   */
  cancel(): Disposable {
    this.#spent = true;
    void this.#kill();
    const timer = setTimeout(() => this.destroy(), cancelGraceMs);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  async #kill(): Promise<void> {
    try {
      const client = await dialOnce(
        this.#address,
        this.#tls,
        AbortSignal.timeout(cancelGraceMs),
      );
      client.query(`kill query ${this.processId}`, () => client.destroy());
    } catch {
      // The grace period ends in a cut.
    }
  }

  destroy(): void {
    this.#alive = false;
    // mysql2 tells nobody who waits for an answer when it destroys.
    (this.#client as unknown as ClientInternals).stream.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const wasUsable = this.usable;
    this.#alive = false;
    if (!wasUsable) {
      this.destroy();
      return;
    }
    const timer = setTimeout(() => this.destroy(), cancelGraceMs);
    try {
      await new Promise<void>((resolve) => this.#client.end(() => resolve()));
    } finally {
      clearTimeout(timer);
      this.destroy();
    }
  }
}

/**
 * A log of statements would have to tell when a MEMORY table is emptied, which
 * is not when a transaction is rolled back.
 */
function logsStatements({ rows }: Answer): boolean {
  const valueOf = (name: string): string | null | undefined =>
    rows.find((row) => row['Variable_name'] === name)?.['Value'];
  return (
    valueOf('log_bin') === 'ON' && (valueOf('binlog_format') ?? 'ROW') !== 'ROW'
  );
}

function run(prepared: Prepared, values: readonly string[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    prepared.execute(values, (error, result) => {
      if (error) {
        reject(error);
      } else {
        resolve(answerOf(result));
      }
    });
  });
}

function answerOf(result: unknown): Answer {
  const last: unknown = isResultList(result) ? result.at(-1) : result;
  if (Array.isArray(last)) {
    return { rows: last as TextRow[], affectedRows: 0, warningCount: 0 };
  }
  const { affectedRows = 0, warningStatus = 0 } = last as {
    affectedRows?: number;
    warningStatus?: number;
  };
  return { rows: [], affectedRows, warningCount: warningStatus };
}

/** Of several statements, one result each; of one, its rows. */
function isResultList(result: unknown): result is readonly unknown[] {
  return (
    Array.isArray(result) &&
    result.some(
      (each) =>
        Array.isArray(each) ||
        (each as { fieldCount?: unknown })?.fieldCount === 0,
    )
  );
}

/** From the first packet until the session is set up, over all attempts. */
function dialLimitMs(
  { connectTimeoutMs }: MysqlAddress,
  { applyTimeoutMs }: SessionOptions,
): number {
  return applyTimeoutMs === 0
    ? connectTimeoutMs
    : Math.min(connectTimeoutMs, Math.max(applyTimeoutMs, shortestDialLimitMs));
}
