/** The connections of a staging store on PostgreSQL or CockroachDB. */
import pg from 'pg';
import type { PostgresAddress } from '../../config/address/postgres.ts';
import {
  cutClient,
  dialledWays,
  dialPostgres,
} from '../../config/address/postgres-dial.ts';
import { type Gate, runBehindGates } from './append-gate.ts';
import { isConnectionIntact, postgresFailure, sqlState } from './errors.ts';

/** The limits of the connection pool; SQLite needs none. */
export interface StagingPoolOptions {
  readonly idleTimeMs: number;
  readonly jitterTimeMs: number;
  readonly maxLifetimeMs: number;
  readonly maxPoolSize: number;
}

export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
  /** Given to statements that run all the time: parsed once a connection. */
  readonly name?: string;
  /** Taken before it runs, in its transaction. */
  readonly gates?: readonly Gate[];
}

export interface Connections extends AsyncDisposable {
  /**
   * Runs one statement, which is one transaction. An aborted signal cuts the
   * connection. Rejections are ReplicatorErrors, or the signal's reason.
   */
  run<Row extends pg.QueryResultRow>(
    statement: Statement,
    signal?: AbortSignal,
  ): Promise<Row[]>;
}

const statementTimeoutMs = 60_000;

/**
 * `on` or stricter is left as it is. Why the isolation must not be what
 * somebody has set for the database or the account says append-gate.ts.
 * Statements of this kind, and not startup parameters, because connection
 * poolers refuse those they do not know.
 */
const sessionSettings = `select set_config('statement_timeout', '${statementTimeoutMs}', false),
  set_config('default_transaction_isolation', case when version() like 'CockroachDB%'
    then 'serializable' else 'read committed' end, false),
  case when current_setting('synchronous_commit') in ('off', 'local', 'remote_write')
    then set_config('synchronous_commit', 'on', false) end`;

/**
 * So that the server soon ends the session of a machine that is gone without
 * a word; by its default it would hold its locks for two hours more.
 */
const keepAliveSettings = `select set_config('tcp_keepalives_idle', '15', false),
  set_config('tcp_keepalives_interval', '5', false),
  set_config('tcp_keepalives_count', '3', false)`;

export async function keepAlive(client: pg.ClientBase): Promise<void> {
  await client.query(keepAliveSettings).catch((error: unknown) => {
    // A server that does not know them does without.
    if (sqlState(error) === null) {
      throw error;
    }
  });
}

/** A server that is gone without a word must not hold a caller for ever. */
const limits = { query_timeout: statementTimeoutMs + 5_000 };

/** One connection beside the pool. An aborted signal cuts it. */
export async function withClient<T>(
  address: PostgresAddress,
  run: (client: pg.ClientBase) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const client = await dialPostgres(address, limits, signal);
  const cut = (): void => cutClient(client);
  signal?.addEventListener('abort', cut, { once: true });
  try {
    return await run(client);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', cut);
    await client.end().catch(() => {});
  }
}

/** One connection that its caller keeps, and ends or cuts. */
export async function dialSession(
  address: PostgresAddress,
  signal?: AbortSignal,
): Promise<pg.Client> {
  return dialPostgres(address, limits, signal);
}

export function openConnections(
  address: PostgresAddress,
  options: StagingPoolOptions,
): Connections {
  const pool = new pg.Pool({
    ...address.config,
    ...limits,
    ssl: address.attempts[0]!,
    max: options.maxPoolSize,
    idleTimeoutMillis: options.idleTimeMs,
  });
  // An idle connection was lost: the pool has dropped it already.
  pool.on('error', () => {});
  const retireAtMs = new WeakMap<pg.PoolClient, number>();
  // A lent one emits `error` too, beside rejecting its statement: without a
  // listener of our own that would end the process.
  pool.on('connect', (client) => {
    client.on('error', () => retireAtMs.set(client, 0));
  });

  // The way that led to the server last is taken until it fails.
  let ways = address.attempts;
  async function connect(): Promise<pg.PoolClient> {
    return dialledWays(ways, (ssl) => {
      if (ssl !== pool.options.ssl) {
        pool.options.ssl = ssl;
        ways = [ssl, ...ways.filter((way) => way !== ssl)];
      }
      return pool.connect();
    });
  }

  async function lend(): Promise<pg.PoolClient> {
    const client = await connect();
    if (!retireAtMs.has(client)) {
      try {
        await client.query(sessionSettings);
        await keepAlive(client);
      } catch (error) {
        client.release(true);
        throw error;
      }
      const lifetimeMs =
        options.maxLifetimeMs === 0
          ? Infinity
          : options.maxLifetimeMs + Math.random() * options.jitterTimeMs;
      retireAtMs.set(client, Date.now() + lifetimeMs);
    }
    return client;
  }

  return {
    async run<Row extends pg.QueryResultRow>(
      statement: Statement,
      signal?: AbortSignal,
    ): Promise<Row[]> {
      signal?.throwIfAborted();
      let client: pg.PoolClient | null = null;
      let broken = true;
      const cut = (): void => {
        // With a statement under way this destroys the socket.
        void (client as pg.Client | null)?.end().catch(() => {});
      };
      try {
        client = await lend();
        signal?.addEventListener('abort', cut, { once: true });
        signal?.throwIfAborted();
        const { gates = [], ...plain } = statement;
        const query = { ...plain, values: [...statement.values] };
        const { rows } = await (gates.length > 0
          ? runBehindGates<Row>(client, query, gates)
          : client.query<Row>(query));
        broken = false;
        return rows;
      } catch (error) {
        broken = !isConnectionIntact(error);
        signal?.throwIfAborted();
        throw postgresFailure(error);
      } finally {
        signal?.removeEventListener('abort', cut);
        client?.release(broken || (retireAtMs.get(client) ?? 0) <= Date.now());
      }
    },

    async [Symbol.asyncDispose]() {
      await pool.end();
    },
  };
}
