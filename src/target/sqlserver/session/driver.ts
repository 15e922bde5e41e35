/** One connection of the `tedious` package: dialled, used in turn, cancelled, closed. */
import { type Connection, Request, TYPES } from 'tedious';
import type { SqlServerAddress } from '../../../config/address/sqlserver.ts';
import { ReplicatorError } from '../../../failure/failure.ts';
import type { PooledConnection } from '../../connections/connection-pool.ts';
import { asError, connect, mayWorkOtherwise } from './dial.ts';
import { serverErrorOf, targetFailure } from './errors.ts';
import type { ServerError } from './server-message.ts';
import { type SessionOptions, sessionSettings } from './session.ts';

/** Numbers are sent as int, texts as nvarchar; `rows` and `long…` as nvarchar(max). */
export type Parameters = Readonly<Record<string, string | number>>;
export type Row = Readonly<Record<string, unknown>>;

/** What whoever waits in line is told, before the next one has its turn. */
export interface Turn {
  /** May refuse by throwing: nothing is sent then. */
  before(): void;
  failed(error: unknown): void;
}

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
            length: /^(rows$|long)/.test(name) ? maxLength : 4000,
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
