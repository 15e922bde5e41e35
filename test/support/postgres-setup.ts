import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startPostgresServer } from './postgres-server.ts';
import './test-database.ts';

/**
 * One PostgreSQL server for all tests of the project `pg`: the one that
 * TEST_POSTGRES_URL names (a superuser's address), else an embedded one. A
 * container would stand between the two; nothing here needs what only a
 * container has. No server fails the run: tests are never skipped.
 */
export async function setup(
  project: TestProject,
): Promise<() => Promise<void>> {
  const given = process.env['TEST_POSTGRES_URL'];
  if (given !== undefined && given !== '') {
    const client = new pg.Client({ connectionString: given });
    await client.connect();
    await client.end();
    project.provide('postgresUrl', given);
    return async () => {};
  }
  const server = await startPostgresServer({
    fsync: false,
    settings: { full_page_writes: 'off', synchronous_commit: 'off' },
  });
  project.provide('postgresUrl', server.url());
  return async () => await server[Symbol.asyncDispose]();
}
