/** One connection of the `tedious` package: dialled, used in turn, cancelled, closed. */
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { Connection, Request, TYPES } from 'tedious';
import type { SqlServerAddress } from '../../config/address/sqlserver.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import type { PooledConnection } from '../connection-pool.ts';
import { serverErrorOf, targetFailure } from './errors.ts';
import { logInAsReplicationAgent } from './replication-login.ts';
import type { ServerError } from './server-message.ts';

export interface SessionOptions {
  /** A statement, or a wait for a lock, that lasts longer fails. 0 = never. */
  readonly applyTimeoutMs: number;
}

/** Numbers are sent as int, texts as nvarchar; `rows` as nvarchar(max). */
export type Parameters = Readonly<Record<string, string | number>>;
export type Row = Readonly<Record<string, unknown>>;

/** What whoever waits in line is told, before the next one has its turn. */
export interface Turn {
  /** May refuse by throwing: nothing is sent then. */
  before(): void;
  failed(error: unknown): void;
}

/** Where the address says connect_timeout=0. */
const defaultDialLimitMs = 15_000;
/** A login takes several round trips; a busy machine needs that. */
const shortestDialLimitMs = 1_000;
/** How long a cancelled statement may take to end before the socket is cut. */
const cancelGraceMs = 5_000;
/** Large parameters in few packets; TLS records hold no more. */
const packetBytes = 16_384;
/** Longer than nvarchar(4000), so that the declared type never varies. */
const maxLength = 0x3fffffff;

export class SqlServerConnection implements PooledConnection {
  readonly #connection: Connection;
  readonly #options: SessionOptions;
  #tail: Promise<unknown> = Promise.resolve();
  #usable = true;
  #sessionId = 0;
  /** Why the server ended the session, where it still could say so. */
  #farewell: Error | null = null;

  private constructor(connection: Connection, options: SessionOptions) {
    this.#connection = connection;
    this.#options = options;
    connection.on('error', () => {
      this.#usable = false;
    });
    connection.on('end', () => {
      this.#usable = false;
    });
    connection.on('errorMessage', (message: ServerError) => {
      if ((message.class ?? 0) >= 20 || message.number === 596) {
        this.#farewell = asError(message);
      }
    });
  }

  get usable(): boolean {
    return this.#usable;
  }

  /** The server's number for this session (`@@spid`). */
  get sessionId(): number {
    return this.#sessionId;
  }

  static async dial(
    address: SqlServerAddress,
    options: SessionOptions,
    signal?: AbortSignal,
  ): Promise<SqlServerConnection> {
    let failure: unknown;
    for (const tls of address.attempts) {
      signal?.throwIfAborted();
      try {
        const raw = await connect(address, { tls, options, signal });
        const connection = new SqlServerConnection(raw, options);
        const [row] = await connection.batch(
          `${sessionSettings(options)}\nselect @@spid as spid, @@version as version;`,
        );
        if (isBabelfish(row!) && !address.allowsBabelfish) {
          connection.destroy();
          throw notSqlServer();
        }
        connection.#sessionId = Number(row!['spid']);
        return connection;
      } catch (error) {
        signal?.throwIfAborted();
        // What a server says tells more than that it has no TLS.
        failure =
          serverErrorOf(failure) && !serverErrorOf(error) ? failure : error;
        if (!mayWorkOtherwise(error)) {
          break;
        }
      }
    }
    throw targetFailure(failure, 'connect', address.display);
  }

  /** A text without parameters, in the scope of the session: SET lasts. */
  async batch(text: string, turn?: Turn): Promise<Row[]> {
    return this.#run(text, { turn, parameters: null });
  }

  /** By sp_executesql, whose plan is found by the text: SET ends with it. */
  async query(
    text: string,
    parameters: Parameters,
    turn?: Turn,
  ): Promise<Row[]> {
    return this.#run(text, { turn, parameters });
  }

  /** In the order of the calls: the driver takes one at a time. */
  #run(
    text: string,
    {
      turn,
      parameters,
    }: {
      readonly turn: Turn | undefined;
      readonly parameters: Parameters | null;
    },
  ): Promise<Row[]> {
    const answer = this.#tail.then(async () => {
      turn?.before();
      try {
        return await this.#send(text, parameters);
      } catch (error) {
        turn?.failed(error);
        throw error;
      }
    });
    this.#tail = answer.catch(() => {});
    return answer;
  }

  #send(text: string, parameters: Parameters | null): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      const rows: Row[] = [];
      const request = new Request(text, (error) => {
        if (error) {
          reject(serverErrorOf(error) ? error : (this.#farewell ?? error));
        } else {
          resolve(rows);
        }
      });
      request.setTimeout(this.#options.applyTimeoutMs);
      request.on('row', (columns: Record<string, { value: unknown }>) => {
        rows.push(
          Object.fromEntries(
            Object.entries(columns).map(([name, { value }]) => [name, value]),
          ),
        );
      });
      if (parameters === null) {
        this.#connection.execSqlBatch(request);
        return;
      }
      for (const [name, value] of Object.entries(parameters)) {
        if (typeof value === 'number') {
          request.addParameter(name, TYPES.Int, value);
        } else {
          request.addParameter(name, TYPES.NVarChar, value, {
            length: name === 'rows' ? maxLength : 4000,
          });
        }
      }
      this.#connection.execSql(request);
    });
  }

  /**
   * Asks the server to stop what runs here; the driver cuts the socket when it
   * does not answer. Never throws.
   */
  cancel(): void {
    this.#connection.cancel();
  }

  destroy(): void {
    this.#usable = false;
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }
}

interface Attempt {
  readonly tls: ConnectionOptions | false;
  readonly options: SessionOptions;
  readonly signal: AbortSignal | undefined;
}

async function connect(
  address: SqlServerAddress,
  { tls, options, signal }: Attempt,
): Promise<Connection> {
  const connection = new Connection(configOf(address, tls, options));
  if (address.replication) {
    logInAsReplicationAgent(connection);
  }
  let refusal: Error | null = null;
  connection.on('errorMessage', (message: ServerError) => {
    refusal ??= asError(message);
  });
  connection.on('error', () => {});
  connection.on('secure', (socket: unknown) => {
    const problem = tls && chainProblem(tls, socket as TLSSocket);
    if (problem) {
      // Before the login is sent, so that nobody hears the password.
      refusal = problem;
      connection.close();
    }
  });
  const onAbort = (): void => connection.close();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      connection.connect((error) => {
        if (error) {
          reject(refusal ?? error);
        } else {
          resolve();
        }
      });
    });
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function configOf(
  address: SqlServerAddress,
  tls: ConnectionOptions | false,
  { applyTimeoutMs }: SessionOptions,
): ConstructorParameters<typeof Connection>[0] {
  const longestMs = address.connectTimeoutMs || defaultDialLimitMs;
  return {
    server: address.host,
    authentication: {
      type: 'default',
      options: { userName: address.user, password: address.password },
    },
    options: {
      port: address.port,
      database: address.database,
      appName: address.applicationName,
      encrypt: tls !== false,
      trustServerCertificate: tls === false || !verifiesHost(tls),
      ...(tls && {
        cryptoCredentialsDetails: {
          ...(tls.ca !== undefined && { ca: tls.ca }),
          ...(tls.cert !== undefined && { cert: tls.cert }),
          ...(tls.key !== undefined && { key: tls.key }),
        },
      }),
      connectTimeout:
        applyTimeoutMs === 0
          ? longestMs
          : Math.min(longestMs, Math.max(applyTimeoutMs, shortestDialLimitMs)),
      cancelTimeout: cancelGraceMs,
      requestTimeout: applyTimeoutMs,
      packetSize: packetBytes,
      maxRetriesOnTransientErrors: 0,
      useColumnNames: true,
      enableArithAbort: true,
    },
  };
}

function verifiesHost(tls: ConnectionOptions): boolean {
  return (
    tls.rejectUnauthorized === true && tls.checkServerIdentity === undefined
  );
}

/** tedious verifies chain and name, or nothing: the chain alone is our matter. */
function chainProblem(tls: ConnectionOptions, socket: TLSSocket): Error | null {
  const code = socket.authorizationError as unknown as
    | string
    | Error
    | undefined;
  if (!tls.rejectUnauthorized || verifiesHost(tls) || !code) {
    return null;
  }
  const text =
    code instanceof Error ? (code as NodeJS.ErrnoException).code : code;
  return text === 'ERR_TLS_CERT_ALTNAME_INVALID'
    ? null
    : Object.assign(new Error('the certificate is not accepted'), {
        code: text,
      });
}

/** Only these failures do libpq's allow and prefer answer with another way. */
function mayWorkOtherwise(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return (
    code === 'EENCRYPT' ||
    (cause instanceof Error && /SSL|TLS/.test(cause.message))
  );
}

function isBabelfish(row: Row): boolean {
  return String(row['version']).startsWith('Babelfish');
}

/**
 * Its OPENJSON hands strings out with their escapes and cuts them after 4000
 * characters (seen with 4.4), and says nothing.
 */
function notSqlServer(): ReplicatorError {
  return new ReplicatorError('E4014', {
    detail:
      'the target is Babelfish, which speaks the language of SQL Server and changes texts',
    remedy:
      'give the postgresql:// address of the same server, and its tables there',
  });
}

function asError(message: ServerError): Error & ServerError {
  return Object.assign(new Error(message.message), {
    number: message.number,
    ...(message.class !== undefined && { class: message.class }),
    ...(message.procName !== undefined && { procName: message.procName }),
  });
}

/**
 * Everything by which a text could mean another value, or an error something
 * else, in another session. SET options outlive whoever set them, so they are
 * set again for each transaction. ANSI settings also decide whether indexes
 * on computed columns and filtered indexes can be written.
 */
export function sessionSettings({ applyTimeoutMs }: SessionOptions): string {
  const lockTimeoutMs = applyTimeoutMs > 0 ? Math.trunc(applyTimeoutMs) : -1;
  return `set xact_abort on;
set nocount on;
set implicit_transactions off;
set ansi_nulls on;
set ansi_padding on;
set ansi_warnings on;
set arithabort on;
set concat_null_yields_null on;
set numeric_roundabort off;
set quoted_identifier on;
set language us_english;
set dateformat ymd;
set rowcount 0;
set lock_timeout ${lockTimeoutMs};
set transaction isolation level read committed;`;
}
