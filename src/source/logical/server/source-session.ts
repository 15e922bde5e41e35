/** A plain SQL connection to the source, beside the one that streams. */
import type pg from 'pg';
import type { PostgresAddress } from '../../../config/address/postgres.ts';
import {
  clientProcessId,
  cutClient,
  dialPostgres,
} from '../../../config/address/postgres-dial.ts';
import { sourceFailure } from './source-errors.ts';

export interface SourceSession extends AsyncDisposable {
  /** `server_version_num`: 180004 is 18.4. */
  readonly versionNumber: number;
  /** What is seen and created belongs to this database alone. */
  readonly database: string;
  /** `host:port/database`, for messages. */
  readonly display: string;
  /** Rejections are ReplicatorErrors (E60…), or the reason of the signal. */
  query<Row extends pg.QueryResultRow>(
    text: string,
    values?: readonly unknown[],
    limits?: QueryLimits,
  ): Promise<Row[]>;
  /**
   * Runs one command of the replication protocol (`TIMELINE_HISTORY 2`) on a
   * connection of its own, which takes a walsender for that moment.
   */
  replicate<Row extends pg.QueryResultRow>(command: string): Promise<Row[]>;
}

export interface QueryLimits {
  /** A server that is gone without a word must not hold a caller for ever. */
  readonly timeoutMs: number | null;
}

const queryTimeoutMs = 60_000;

/**
 * Names are printed with their schema, and no object of the database stands in
 * front of one of the catalog. A statement, and not startup parameters, because
 * connection poolers refuse those they do not know.
 */
const sessionSettings = `select set_config('search_path', 'pg_catalog', false),
  current_setting('server_version_num')::int as version, current_database() as database`;

/**
 * An aborted signal ends the session: the server is asked to cancel what runs,
 * or a slot could still come into being after its caller has gone.
 */
export async function openSourceSession(
  address: PostgresAddress,
  signal?: AbortSignal,
): Promise<SourceSession> {
  try {
    const client = await dialPostgres(address, {}, signal);
    return await SqlSession.prepare(client, address, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw sourceFailure(error, address.display);
  }
}

class SqlSession implements SourceSession {
  readonly versionNumber: number;
  readonly database: string;
  readonly display: string;
  readonly #client: pg.Client;
  readonly #address: PostgresAddress;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #runningCount = 0;

  private constructor(
    client: pg.Client,
    address: PostgresAddress,
    {
      signal,
      version,
      database,
    }: {
      signal: AbortSignal | undefined;
      version: number;
      database: string;
    },
  ) {
    this.#client = client;
    this.#address = address;
    this.#signal = signal;
    this.versionNumber = version;
    this.database = database;
    this.display = address.display;
    this.#onAbort = () => {
      void this.#cancel();
    };
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  static async prepare(
    client: pg.Client,
    address: PostgresAddress,
    signal: AbortSignal | undefined,
  ): Promise<SqlSession> {
    const cut = (): void => cutClient(client);
    signal?.addEventListener('abort', cut, { once: true });
    try {
      const { rows } = await client.query<{
        version: number;
        database: string;
      }>(timed(sessionSettings, [], queryTimeoutMs));
      signal?.throwIfAborted();
      return new SqlSession(client, address, { signal, ...rows[0]! });
    } catch (error) {
      cut();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cut);
    }
  }

  async query<Row extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
    { timeoutMs }: QueryLimits = { timeoutMs: queryTimeoutMs },
  ): Promise<Row[]> {
    this.#signal?.throwIfAborted();
    this.#runningCount++;
    try {
      return (await this.#client.query<Row>(timed(text, values, timeoutMs)))
        .rows;
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw sourceFailure(error, this.display);
    } finally {
      this.#runningCount--;
    }
  }

  async replicate<Row extends pg.QueryResultRow>(
    command: string,
  ): Promise<Row[]> {
    let client: pg.Client | null = null;
    try {
      client = await dialPostgres(
        this.#address,
        {
          replication: 'database',
          query_timeout: queryTimeoutMs,
        } as pg.ClientConfig,
        this.#signal,
      );
      return (await client.query<Row>(command)).rows;
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw sourceFailure(error, this.display);
    } finally {
      await client?.end().catch(() => {});
    }
  }

  async #cancel(): Promise<void> {
    try {
      if (this.#runningCount > 0) {
        const other = await dialPostgres(this.#address, {
          query_timeout: 5_000,
        });
        try {
          await other.query('select pg_catalog.pg_cancel_backend($1)', [
            clientProcessId(this.#client),
          ]);
        } finally {
          cutClient(other);
        }
      }
    } catch {
      // The server cannot be asked: it notices the cut by itself.
    } finally {
      cutClient(this.#client);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    await this.#client.end().catch(() => {});
  }
}

function timed(
  text: string,
  values: readonly unknown[],
  timeoutMs: number | null,
): pg.QueryConfig {
  return {
    text,
    values: [...values],
    ...(timeoutMs !== null && { query_timeout: timeoutMs }),
  };
}
