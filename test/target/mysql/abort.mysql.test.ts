/** A write that waits for the one before it when its transaction is aborted is never begun. */
import { expect, test } from 'vitest';
import { parseMysqlAddress } from '../../../src/config/address/mysql.ts';
import { MysqlConnection } from '../../../src/target/mysql/session/driver.ts';
import { MysqlTransaction } from '../../../src/target/mysql/transaction.ts';
import { defaultTargetOptions } from '../../../src/target/open-target.ts';
import { rowsOf, shapeOf } from '../../contract/target-fixture.ts';
import { mysqlFixture } from './fixture.ts';

test('an abort ends a write that has not begun', async () => {
  await using fixture = await mysqlFixture('mariadb');
  await fixture.sql('create table item (id int primary key)');
  const table = (await shapeOf(fixture)).tables.get('item')!;
  const applyTimeoutMs = 30_000;
  await using connection = await MysqlConnection.dial(
    parseMysqlAddress(fixture.url, 'url'),
    {
      applyTimeoutMs,
      statementCacheSize: 0,
      statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
    },
  );
  const stop = new AbortController();
  await using transaction = new MysqlTransaction(
    { connection, isDue: () => false, async [Symbol.asyncDispose]() {} },
    {
      policies: defaultTargetOptions.valuePolicies,
      applyTimeoutMs,
      fewRows: undefined,
      isBlocked: async () => false,
    },
    stop.signal,
  );
  const written = transaction.upsert(
    rowsOf(
      table,
      Array.from({ length: 500 }, (_, id) => ({ id: String(id) })),
    ),
  );
  stop.abort(new Error('stopped'));
  await expect(written).rejects.toThrow('stopped');
  expect(connection.temporaryTables.size).toBe(0);
});
