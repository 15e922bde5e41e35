/** The connections of a staging store on PostgreSQL or CockroachDB. */
import pg from 'pg';
import type { StagingPoolOptions } from '../open.ts';
import { isConnectionIntact, postgresFailure } from './errors.ts';

export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
  /** Given to statements that run all the time: parsed once a connection. */
  readonly name?: string;
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
const dialTimeoutMs = 10_000;

/**
 * `on` or stricter is left as it is. Statements of this kind, and not startup
 * parameters, because connection poolers refuse those they do not know.
 */
const sessionSettings = `select set_config('statement_timeout', '${statementTimeoutMs}', false),
  case when current_setting('synchronous_commit') in ('off', 'local', 'remote_write')
    then set_config('synchronous_commit', 'on', false) end`;

export function clientConfig(connectionString: string): pg.ClientConfig {
  return {
    connectionString,
    fallback_application_name: 'replicator',
    connectionTimeoutMillis: dialTimeoutMs,
    keepAlive: true,
    // A server that is gone without a word must not hold a caller for ever.
    query_timeout: statementTimeoutMs + 5_000,
  };
}

export function openConnections(
  connectionString: string,
  options: StagingPoolOptions,
): Connections {
  const pool = new pg.Pool({
    ...clientConfig(connectionString),
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

  async function lend(): Promise<pg.PoolClient> {
    const client = await pool.connect();
    if (!retireAtMs.has(client)) {
      try {
        await client.query(sessionSettings);
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
        const { rows } = await client.query<Row>({
          ...statement,
          values: [...statement.values],
        });
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
