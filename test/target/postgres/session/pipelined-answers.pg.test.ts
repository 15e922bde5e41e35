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
