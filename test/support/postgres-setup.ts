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
    project.provide('postgresTemplate', 'template template0');
    return async () => {};
  }
  const server = await startPostgresServer({
    fsync: false,
    settings: { full_page_writes: 'off', synchronous_commit: 'off' },
  });
  await makeTemplate(server.url());
  project.provide('postgresUrl', server.url());
  project.provide(
    'postgresTemplate',
    `template ${TEMPLATE} strategy file_copy`,
  );
  return async () => await server[Symbol.asyncDispose]();
}

const TEMPLATE = 'pristine';

/**
 * A database that has been entered once: what the first session notes of the
 * catalog comes with a copy of the files, which takes half the time of the
 * other strategy.
 */
async function makeTemplate(url: string): Promise<void> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  await admin.query(`create database ${TEMPLATE} template template0`);
  const template = new URL(url);
  template.pathname = `/${TEMPLATE}`;
  const first = new pg.Client({ connectionString: template.href });
  await first.connect();
  await first.query('select 1');
  await first.end();
  // Nor may a vacuum be in it when it is copied.
  await admin.query(
    `alter database ${TEMPLATE} with is_template true allow_connections false`,
  );
  await admin.end();
}
