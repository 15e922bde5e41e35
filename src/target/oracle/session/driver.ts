/** One connection of the `oracledb` package in its thin mode: dialled, cancelled, closed. */
import oracledb from 'oracledb';
import type { OracleAddress } from '../../../config/address/oracle.ts';
import type { PooledConnection } from '../../connections/connection-pool.ts';
import type { BindGroup, BindType } from '../values/binds.ts';
import { targetFailure } from './errors.ts';
import { walletText } from './wallet.ts';

export interface SessionOptions {
  /** A round trip that lasts longer is broken off. 0 = never. */
  readonly applyTimeoutMs: number;
  /** Cursors kept on each connection. */
  readonly statementCacheSize: number;
  /** Counted up by every connection. */
  readonly statementCounts: {
    hitCount: number;
    missCount: number;
    dropCount: number;
  };
}

export type Row = Readonly<Record<string, string | null>>;

/** A row of a batch that failed while the others went on. */
export interface FailedRow {
  readonly row: number;
  readonly error: Error;
}

/** What a transaction needs of a connection. */
export type OracleSession = Pick<
  OracleConnection,
  | 'usable'
  | 'query'
  | 'run'
  | 'executeMany'
  | 'commit'
  | 'rollback'
  | 'cancel'
  | 'destroy'
>;

/** Where the address says connect_timeout=0. */
const defaultDialLimitMs = 10_000;
const shortestDialLimitMs = 1_000;

/** How long a cancelled call may take to end before the socket is cut. */
const cancelGraceMs = 5000;

const bindTypes: Readonly<Record<BindType, oracledb.DbType>> = {
  varchar: oracledb.DB_TYPE_VARCHAR,
  nvarchar: oracledb.DB_TYPE_NVARCHAR,
  clob: oracledb.DB_TYPE_CLOB,
  nclob: oracledb.DB_TYPE_NCLOB,
  blob: oracledb.DB_TYPE_BLOB,
  double: oracledb.DB_TYPE_BINARY_DOUBLE,
  float: oracledb.DB_TYPE_BINARY_FLOAT,
};

/** What the driver's connection has and its declarations do not say. */
interface ConnectionInternals {
  readonly _impl?: {
    readonly nscon?: {
      readonly ntAdapter?: { readonly stream?: { destroy(): void } | null };
    };
  };
}

/** The driver runs calls on one connection one after the other, in order. */
export class OracleConnection implements PooledConnection {
  readonly #connection: oracledb.Connection;
  readonly #options: SessionOptions;
  /** Statements whose cursor the driver keeps, least recently used first. */
  readonly #known = new Set<string>();
  #usable = true;
  #callCount = 0;
  #session: Row = {};

  private constructor(
    connection: oracledb.Connection,
    options: SessionOptions,
  ) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Also of an idle connection the driver hears that it has ended. */
  get usable(): boolean {
    return (
      this.#usable && (this.#callCount > 0 || this.#connection.isHealthy())
    );
  }

  static async dial(
    address: OracleAddress,
    options: SessionOptions,
    signal?: AbortSignal,
  ): Promise<OracleConnection> {
    try {
      const connection = new OracleConnection(
        await dialled(address, options, signal),
        options,
      );
      try {
        for (const text of sessionStatements) {
          await connection.#raced(connection.query(text), signal);
        }
        const [session] = await connection.#raced(
          connection.query(sessionQuery),
          signal,
        );
        connection.#session = session!;
      } catch (error) {
        connection.destroy();
        throw error;
      }
      return connection;
    } catch (error) {
      signal?.throwIfAborted();
      throw targetFailure(error, 'connect', address.display);
    }
  }

  get serverVersion(): string {
    return this.#connection.oracleServerVersionString;
  }

  /** The server's name for this session in v$session. */
  get sessionId(): string {
    return this.#session['sid']!;
  }

  /** Of CHAR, VARCHAR2 and CLOB: AL32UTF8. */
  get characterSet(): string {
    return this.#session['character_set']!;
  }

  /** Column names in lower case, every value text or null. */
  async query(text: string, values: readonly string[] = []): Promise<Row[]> {
    const { rows } = await this.#called(() =>
      this.#connection.execute(text, [...values], {
        outFormat: oracledb.OUT_FORMAT_OBJECT,
        fetchTypeHandler: asText,
        autoCommit: false,
      }),
    );
    return (rows ?? []).map((row) =>
      Object.fromEntries(
        Object.entries(row as Record<string, string | null>).map(
          ([name, value]) => [name.toLowerCase(), value],
        ),
      ),
    );
  }

  /** One statement; resolves to the number of rows it touched. */
  async run(
    text: string,
    values: readonly (string | Buffer)[] = [],
    { isClob = false }: { readonly isClob?: boolean } = {},
  ): Promise<number> {
    const binds = values.map((val) => ({
      val,
      dir: oracledb.BIND_IN,
      type: isClob ? oracledb.DB_TYPE_CLOB : oracledb.DB_TYPE_VARCHAR,
    }));
    const { rowsAffected } = await this.#called(() =>
      this.#connection.execute(text, binds, { autoCommit: false }),
    );
    return rowsAffected ?? 0;
  }

  /**
   * Executes a statement once for each row, in one round trip. With
   * `goesOn` a row that fails is told of, and those behind it are executed.
   */
  async executeMany(
    text: string,
    { definitions, rows }: Pick<BindGroup, 'definitions' | 'rows'>,
    { goesOn = false }: { readonly goesOn?: boolean } = {},
  ): Promise<FailedRow[]> {
    this.#countStatement(text);
    const { batchErrors } = await this.#called(() =>
      this.#connection.executeMany(text, rows as oracledb.BindParameters[], {
        autoCommit: false,
        batchErrors: goesOn,
        bindDefs: definitions.map(({ type, maxSize }) => ({
          dir: oracledb.BIND_IN,
          type: bindTypes[type],
          ...(maxSize > 0 && { maxSize }),
        })),
      }),
    );
    return (batchErrors ?? []).map((error) => ({
      row: error.offset ?? 0,
      error: numbered(error),
    }));
  }

  async commit(text: string): Promise<void> {
    await this.#called(() => this.#connection.execute(text));
  }

  async rollback(): Promise<void> {
    await this.#called(() => this.#connection.rollback());
  }

  async ping(): Promise<void> {
    await this.#called(() => this.#connection.ping());
  }

  /**
   * The driver breaks off a round trip that takes too long; a server that
   * cannot be heard any more does not answer that either, so that the socket
   * is cut a little later.
   */
  async #called<T>(call: () => Promise<T>): Promise<T> {
    const { applyTimeoutMs } = this.#options;
    const timer =
      applyTimeoutMs > 0
        ? setTimeout(() => this.destroy(), applyTimeoutMs + cancelGraceMs)
        : undefined;
    this.#callCount += 1;
    try {
      return await call();
    } catch (error) {
      // Of a closed connection the driver says NJS-500, whatever it was.
      if (
        /^NJS-(500|501|521|003|513)$/.test(
          String((error as { code?: unknown }).code),
        )
      ) {
        this.#usable = false;
      }
      throw error;
    } finally {
      this.#callCount -= 1;
      clearTimeout(timer);
    }
  }

  /**
   * Asks the server, by a break on this connection, to stop what runs here;
   * cuts the socket when that has not helped in time. Never rejects.
   */
  cancel(): { [Symbol.dispose](): void } {
    if (this.#callCount > 0) {
      this.#connection.break().catch(() => {});
    }
    const timer = setTimeout(() => this.destroy(), cancelGraceMs);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  destroy(): void {
    this.#usable = false;
    destroySocket(this.#connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const wasUsable = this.usable;
    this.#usable = false;
    if (!wasUsable) {
      this.destroy();
      return;
    }
    const timer = setTimeout(() => this.destroy(), cancelGraceMs);
    try {
      await this.#connection.close();
    } catch {
      this.destroy();
    } finally {
      clearTimeout(timer);
    }
  }

  async #raced<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    return await untilAborted(work, signal, () => this.destroy());
  }

  #countStatement(text: string): void {
    const { statementCacheSize, statementCounts: counts } = this.#options;
    if (statementCacheSize === 0) {
      return;
    }
    if (this.#known.delete(text)) {
      counts.hitCount += 1;
    } else {
      counts.missCount += 1;
      if (this.#known.size >= statementCacheSize) {
        counts.dropCount += 1;
        this.#known.delete(this.#known.values().next().value!);
      }
    }
    this.#known.add(text);
  }
}

async function dialled(
  address: OracleAddress,
  options: SessionOptions,
  signal?: AbortSignal,
): Promise<oracledb.Connection> {
  const { host, port, service, tls } = address;
  const limitMs = dialLimitMs(address, options);
  const wallet = tls && (await walletText(tls));
  signal?.throwIfAborted();
  const dialling = oracledb.getConnection({
    user: address.user,
    password: address.password,
    program: address.applicationName,
    connectString: `(DESCRIPTION=(ADDRESS=(PROTOCOL=${tls ? 'tcps' : 'tcp'})(HOST=${host})(PORT=${port}))(CONNECT_DATA=(SERVICE_NAME=${service})))`,
    // Whole seconds.
    connectTimeout: Math.ceil(limitMs / 1000),
    stmtCacheSize: options.statementCacheSize,
    ...(wallet !== null && { walletContent: wallet }),
    ...(tls && { sslServerDNMatch: tls.matchesName }),
  } as oracledb.ConnectionAttributes);
  const late = AbortSignal.timeout(limitMs + cancelGraceMs);
  const connection = await untilAborted(
    dialling,
    signal ? AbortSignal.any([signal, late]) : late,
    // A dial cannot be stopped: what comes of it late is closed.
    () => void dialling.then(destroySocket, () => {}),
  );
  connection.callTimeout = Math.trunc(options.applyTimeoutMs);
  return connection;
}

function dialLimitMs(
  { connectTimeoutMs }: OracleAddress,
  { applyTimeoutMs }: SessionOptions,
): number {
  const longestMs = connectTimeoutMs || defaultDialLimitMs;
  return applyTimeoutMs === 0
    ? longestMs
    : Math.min(longestMs, Math.max(applyTimeoutMs, shortestDialLimitMs));
}

async function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  giveUp: () => void,
): Promise<T> {
  if (!signal) {
    return await work;
  }
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => {
    giveUp();
    aborted.reject(
      signal.reason instanceof Error && signal.reason.name === 'TimeoutError'
        ? Object.assign(new Error('no answer in time'), { code: 'NJS-510' })
        : signal.reason,
    );
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function destroySocket(connection: oracledb.Connection): void {
  (
    connection as unknown as ConnectionInternals
  )._impl?.nscon?.ntAdapter?.stream?.destroy();
}

/** Of a row of a batch the driver gives the message alone. */
function numbered(error: Error): Error {
  const number = /^(?:ORA-)?(\d+)/.exec(error.message)?.[1] ?? '0';
  return Object.assign(error, { errorNum: Number(number) });
}

function asText(): oracledb.FetchTypeResponse {
  return { type: oracledb.STRING };
}

/**
 * Everything by which a text could mean another value in another session;
 * keys are compared byte by byte. Characters that NCHAR or CHAR cannot hold
 * are an error and not a question mark. What can wait for the commit does, so
 * that the order of statements is free.
 */
export const sessionStatements: readonly string[] = [
  // By itself, for it sets several of the others.
  `alter session set nls_language = 'AMERICAN' nls_territory = 'AMERICA'`,
  `alter session set
  nls_calendar = 'GREGORIAN'
  nls_numeric_characters = '.,'
  nls_date_format = 'YYYY-MM-DD HH24:MI:SS'
  nls_timestamp_format = 'YYYY-MM-DD HH24:MI:SS.FF9'
  nls_timestamp_tz_format = 'YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM'
  nls_comp = 'BINARY'
  nls_sort = 'BINARY'
  nls_length_semantics = 'CHAR'
  nls_nchar_conv_excp = 'TRUE'
  time_zone = '+00:00'`,
  'alter session set constraints = deferred',
];

const sessionQuery = `
select sys_context('USERENV', 'SID') as sid,
  (select value from nls_database_parameters where parameter = 'NLS_CHARACTERSET') as character_set
from dual`;
