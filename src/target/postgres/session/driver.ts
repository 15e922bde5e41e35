/** One connection of the `pg` package: dialled, prepared, cancelled, closed. */
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import type { PostgresAddress } from '../../../config/address/postgres.ts';
import {
  clientProcessId,
  cutClient,
  dialledWays,
} from '../../../config/address/postgres-dial.ts';
import type { PooledConnection } from '../../connections/connection-pool.ts';
import type { BoundParameters } from '../values/parameters.ts';
import {
  ArrayStatement,
  type ArrayStatementConfig,
} from './array-statement.ts';
import { isServerError, targetFailure } from './errors.ts';

export interface SessionOptions {
  /** A statement, or a pause inside a transaction, that lasts longer fails. 0 = never. */
  readonly applyTimeoutMs: number;
  /** Put behind the application name. */
  readonly sessionName?: string | undefined;
  /** Prepared statements kept on each connection. */
  readonly statementCacheSize: number;
  /** Counted up by every connection. */
  readonly statementCounts: {
    hitCount: number;
    missCount: number;
    dropCount: number;
  };
}

/** Where the address says connect_timeout=0. */
const defaultDialLimitMs = 10_000;
/** A login hashes a password thousands of times; a busy machine needs that. */
const shortestDialLimitMs = 1_000;

/** Of all parameters. */
const smallBytes = 1 << 15;

/** How long a cancelled statement may take to end before the socket is cut. */
const cancelGraceMs = 5000;

/** What the pg package's client has and its declarations do not say. */
interface ClientInternals {
  readonly processID: number;
  readonly secretKey: number;
  readonly connection: {
    readonly stream: { destroy(): void; cork(): void; uncork(): void };
    readonly parsedStatements: Record<string, string>;
  };
}

interface RawConnection {
  on(event: string, listener: (...values: unknown[]) => void): void;
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
  end(): void;
}

/**
 * Statements are sent at once and answered in order (pipelining): whoever does
 * not wait for each answer saves a round trip for each.
 */
export class PostgresConnection implements PooledConnection {
  readonly #client: pg.Client;
  readonly #tls: ConnectionOptions | false;
  readonly #address: PostgresAddress;
  readonly #options: SessionOptions;
  /** Statement text to prepared name, least recently used first. */
  readonly #prepared = new Map<string, string>();
  #preparedCount = 0;
  #usable = true;
  /** Statements that are sent and not answered. */
  #pendingCount = 0;
  /** Runs while there are any, from the last answer on. */
  #silence: NodeJS.Timeout | undefined;
  /** What is written now is held for a moment. */
  #joins = false;
  /** Resolved when the last `begin` has been answered. */
  #begun: Promise<void> = Promise.resolve();
  /** Why the server ended the session, where it still could say so. */
  #farewell: unknown = null;

  private constructor(
    client: pg.Client,
    tls: ConnectionOptions | false,
    address: PostgresAddress,
    options: SessionOptions,
  ) {
    this.#client = client;
    this.#tls = tls;
    this.#address = address;
    this.#options = options;
    client.on('error', (error) => {
      this.#usable = false;
      this.#farewell ??= isServerError(error) ? error : null;
    });
    client.on('end', () => {
      this.#usable = false;
    });
  }

  get usable(): boolean {
    return this.#usable;
  }

  static async dial(
    address: PostgresAddress,
    options: SessionOptions,
    signal?: AbortSignal,
  ): Promise<PostgresConnection> {
    const late = AbortSignal.timeout(dialLimitMs(address, options));
    const stop = signal ? AbortSignal.any([signal, late]) : late;
    const dial = async (
      tls: ConnectionOptions | false,
    ): Promise<PostgresConnection> => {
      signal?.throwIfAborted();
      const client = new pg.Client({
        ...address.config,
        ssl: tls,
        pipeline: true,
      } as pg.ClientConfig);
      const cut = (): void => cutClient(client);
      stop.addEventListener('abort', cut, { once: true });
      client.on('error', () => {});
      try {
        await client.connect();
        const connection = new PostgresConnection(
          client,
          tls,
          address,
          options,
        );
        await client.query(sessionSettings(options));
        return connection;
      } catch (error) {
        cut();
        throw late.aborted
          ? Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })
          : error;
      } finally {
        stop.removeEventListener('abort', cut);
      }
    };
    try {
      return await dialledWays(address.attempts, dial);
    } catch (error) {
      signal?.throwIfAborted();
      throw targetFailure(error, 'connect', address.display);
    }
  }

  /** The server's name for this session. */
  get processId(): number {
    return clientProcessId(this.#client);
  }

  /**
   * Begins a transaction, whose statements may be sent before this is answered:
   * where it failed, each of them would be a transaction of its own. So nothing
   * is cancelled before the answer, and the session ends with a failure.
   */
  async begin(text: string): Promise<void> {
    const answer = this.query(text);
    this.#begun = answer.then(
      () => {},
      () => this.destroy(),
    );
    await answer;
  }

  /** Rows as objects; every value is text or null (no type is parsed). */
  async query(
    text: string,
    values?: readonly (string | null)[],
  ): Promise<pg.QueryResult<Record<string, string | null>>> {
    return this.#answer(
      this.#client.query({
        text,
        ...(values && { values: [...values] }),
        types: asText,
      } as pg.QueryConfig),
    );
  }

  /**
   * Runs a statement that is kept prepared under its text. The parameters are
   * written before this returns (pipelining), and may be released.
   */
  async execute(
    text: string,
    parameters: BoundParameters,
  ): Promise<pg.QueryResult> {
    const { statementCacheSize: cacheSize, statementCounts: counts } =
      this.#options;
    if (cacheSize === 0) {
      return this.#answer(this.#submit({ name: '', text, parameters }));
    }
    let name = this.#prepared.get(text);
    if (name === undefined) {
      if (this.#prepared.size >= cacheSize) {
        this.#forgetOldest();
      }
      counts.missCount += 1;
      this.#preparedCount += 1;
      name = `r${this.#preparedCount}`;
    } else {
      counts.hitCount += 1;
      this.#prepared.delete(text);
    }
    this.#prepared.set(text, name);
    if (parameters.bytes.length < smallBytes) {
      this.#joinWrites();
    }
    try {
      return await this.#answer(this.#submit({ name, text, parameters }));
    } catch (error) {
      if (!this.#isParsed(name) && this.#prepared.get(text) === name) {
        this.#prepared.delete(text);
      }
      throw error;
    }
  }

  #submit(config: ArrayStatementConfig): Promise<pg.QueryResult> {
    return new Promise((resolve, reject) => {
      this.#client.query(
        new ArrayStatement(config, (error, result) => {
          if (error) {
            reject(error);
          } else {
            resolve(result);
          }
        }),
      );
    });
  }

  /**
   * Small statements that are sent one behind the other travel together: a write
   * costs 20 µs and wakes the server. No longer than that: whoever is to
   * compute next must not keep the server waiting.
   */
  #joinWrites(): void {
    if (!this.#joins) {
      const { stream } = (this.#client as unknown as ClientInternals)
        .connection;
      this.#joins = true;
      stream.cork();
      queueMicrotask(() => {
        this.#joins = false;
        stream.uncork();
      });
    }
  }

  #isParsed(name: string): boolean {
    const { parsedStatements } = (this.#client as unknown as ClientInternals)
      .connection;
    return parsedStatements[name] !== undefined;
  }

  /**
   * The server enforces the timeout; a server that cannot be heard any more
   * does not, so that the socket is cut a little later. A statement is begun
   * when the one before it is answered, so that its time counts from there.
   */
  async #answer<T>(answer: Promise<T>): Promise<T> {
    const { applyTimeoutMs } = this.#options;
    if (applyTimeoutMs > 0 && this.#pendingCount === 0) {
      this.#silence = setTimeout(
        () => this.destroy(),
        applyTimeoutMs + cancelGraceMs,
      );
    }
    this.#pendingCount += 1;
    try {
      return await answer;
    } catch (error) {
      throw isServerError(error) ? error : (this.#farewell ?? error);
    } finally {
      this.#pendingCount -= 1;
      if (this.#pendingCount > 0) {
        this.#silence?.refresh();
      } else {
        clearTimeout(this.#silence);
      }
    }
  }

  /**
   * Asks the server, on a connection of its own, to stop what runs here; cuts
   * the socket when that has not helped in time. Never rejects.
   */
  cancel(): { [Symbol.dispose](): void } {
    void this.#begun.then(() => this.#requestCancel());
    const timer = setTimeout(() => this.destroy(), cancelGraceMs);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  destroy(): void {
    this.#usable = false;
    cutClient(this.#client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const wasUsable = this.#usable;
    this.#usable = false;
    if (!wasUsable) {
      this.destroy();
      return;
    }
    const timer = setTimeout(() => this.destroy(), cancelGraceMs);
    try {
      await this.#client.end();
    } catch {
      this.destroy();
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Of those that the server has: to deallocate another one would fail the
   * transaction. While none is, there are a few too many.
   */
  #forgetOldest(): void {
    const oldest = this.#prepared
      .entries()
      .find(([, name]) => this.#isParsed(name));
    if (!oldest) {
      return;
    }
    const [text, name] = oldest;
    this.#options.statementCounts.dropCount += 1;
    this.#prepared.delete(text);
    delete (this.#client as unknown as ClientInternals).connection
      .parsedStatements[name];
    // In order before the next statement; if the transaction is already lost
    // it fails like everything else there, and only the name is wasted.
    this.#client.query(`deallocate ${name}`).catch(() => {});
  }

  #requestCancel(): Promise<void> {
    const { processID, secretKey } = this.#client as unknown as ClientInternals;
    const { host, port } = this.#address.config;
    const raw = new pg.Connection({
      ssl: this.#tls === false ? undefined : this.#tls,
    } as unknown as pg.ConnectionConfig) as unknown as RawConnection;
    return new Promise((resolve) => {
      const cancel = (): void => raw.cancel(processID, secretKey);
      raw.on('connect', () =>
        this.#tls === false ? cancel() : raw.requestSsl(),
      );
      raw.on('sslconnect', cancel);
      // The server answers by closing the connection.
      raw.on('error', () => resolve());
      raw.on('end', () => resolve());
      if (host!.startsWith('/')) {
        raw.connect(`${host}/.s.PGSQL.${port}`);
      } else {
        raw.connect(port!, host!);
      }
    });
  }
}

/**
 * From the first packet until the session is set up, over all attempts: a
 * server behind a pooler may take the login and then say nothing.
 */
function dialLimitMs(
  { config }: PostgresAddress,
  { applyTimeoutMs }: SessionOptions,
): number {
  const longestMs = config.connectionTimeoutMillis || defaultDialLimitMs;
  return applyTimeoutMs === 0
    ? longestMs
    : Math.min(longestMs, Math.max(applyTimeoutMs, shortestDialLimitMs));
}

const asText = { getTypeParser: () => (text: string) => text };

/**
 * Everything by which a text could mean another value in another session.
 * A database that commits asynchronously by default is asked not to for us: a
 * watermark must not survive a crash that its rows did not. Compiling statements
 * that run for milliseconds cost a second each where a type's functions have
 * a high price (PostGIS).
 */
function sessionSettings({
  applyTimeoutMs,
  sessionName,
}: SessionOptions): string {
  const timeoutMs = Math.trunc(applyTimeoutMs);
  const naming =
    sessionName === undefined
      ? ''
      : `select set_config('application_name',
        coalesce(nullif(current_setting('application_name'), ''), 'replicator') || ' ${sessionName}', false);`;
  return `${naming}
    set client_encoding to 'UTF8';
    set timezone to 'UTC';
    set datestyle to 'ISO, YMD';
    set intervalstyle to 'postgres';
    set bytea_output to 'hex';
    set extra_float_digits to 1;
    set standard_conforming_strings to on;
    set jit to off;
    set statement_timeout to ${timeoutMs};
    set idle_in_transaction_session_timeout to ${timeoutMs};
    select set_config('synchronous_commit', 'on', false)
      where current_setting('synchronous_commit') = 'off'`;
}
