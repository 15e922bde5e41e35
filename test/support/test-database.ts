import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Provided by postgres-setup.ts: the shared server of the run. */
    readonly postgresUrl: string;
    /** What `create database` says behind the name. */
    readonly postgresTemplate: string;
  }
}

export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  /** As `pg.Pool.query`: the rows are in `.rows`. */
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    sql: string,
    parameters?: readonly unknown[],
  ): Promise<pg.QueryResult<Row>>;
}

/** A fresh database on the shared server, dropped by force when disposed. */
export async function testDatabase(): Promise<TestDatabase> {
  const serverUrl = inject('postgresUrl');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await administer(
    serverUrl,
    `create database ${name} ${inject('postgresTemplate')}`,
  );
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const pool = new pg.Pool({
    connectionString: url.href,
    max: 4,
    allowExitOnIdle: true,
  });
  // A test may cut every connection: that is its matter, not the pool's.
  pool.on('error', () => {});
  return {
    name,
    url: url.href,
    query: <Row extends pg.QueryResultRow>(
      sql: string,
      parameters: readonly unknown[] = [],
    ) => pool.query<Row>(sql, [...parameters]),
    async [Symbol.asyncDispose]() {
      await pool.end();
      await administer(
        serverUrl,
        `drop database if exists ${name} with (force)`,
      );
    },
  };
}

async function administer(serverUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
