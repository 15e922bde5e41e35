/** Statements that wait at the server behind others, on one connection. */
import { expect, test, vi } from 'vitest';

import { parsePostgresAddress } from '../../../../src/config/address/postgres.ts';
import { PostgresConnection } from '../../../../src/target/postgres/session/driver.ts';
import { testDatabase } from '../../../support/test-database.ts';

const applyTimeoutMs = 30_000;

test('a statement has its whole time from the answer to the one before it on', async () => {
  await using database = await testDatabase();
  await using connection = await PostgresConnection.dial(
    parsePostgresAddress(database.url, '--targetConn'),
    {
      applyTimeoutMs,
      statementCacheSize: 8,
      statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
    },
  );
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const first = connection.query('select pg_sleep(0.2)');
    const second = connection.query('select pg_sleep(0.2)');
    vi.advanceTimersByTime(applyTimeoutMs);
    await first;
    vi.advanceTimersByTime(applyTimeoutMs);
    await second;
    const third = connection.query('select pg_sleep(60)');
    vi.advanceTimersByTime(2 * applyTimeoutMs);
    await expect(third).rejects.toThrow();
  } finally {
    vi.useRealTimers();
  }
});

/** `vi.waitUntil` has a second by itself. */
const hopeless = { timeout: 30_000 };

test('a cancel never hits the begin of a transaction, behind which its statements are on their way', async () => {
  await using database = await testDatabase();
  await database.query('create table t (id int)');
  const connection = await PostgresConnection.dial(
    parsePostgresAddress(database.url, '--targetConn'),
    {
      applyTimeoutMs,
      statementCacheSize: 8,
      statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
    },
  );
  const { processId } = connection;
  const isThere = async (state: string): Promise<boolean> => {
    const { rows } = await database.query(
      `select 1 from pg_stat_activity where pid = ${processId} and ${state}`,
    );
    return rows.length > 0;
  };
  // Whoever has the lock makes it a long begin.
  await database.query('select pg_advisory_lock(7)');
  const answers = Promise.allSettled([
    connection.begin('select pg_advisory_xact_lock(7); begin'),
    connection.query('insert into t values (1)'),
    connection.query('select pg_sleep(60)'),
  ]);
  await vi.waitUntil(() => isThere("wait_event = 'advisory'"), hopeless);
  using _cancellation = connection.cancel();
  await new Promise((done) => setTimeout(done, 100));
  await database.query('select pg_advisory_unlock(7)');
  const [begun, inserted, slept] = await answers;
  expect(begun.status).toBe('fulfilled');
  expect([inserted.status, slept.status]).toContain('rejected');
  connection.destroy();
  await vi.waitUntil(async () => !(await isThere('true')), hopeless);
  expect((await database.query('select * from t')).rows).toEqual([]);
});
