/** What becomes of a transaction where the engine MEMORY does not take its rows. */
import { expect, test } from 'vitest';
import { parseMysqlAddress } from '../../../../src/config/address/mysql.ts';
import { MysqlConnection } from '../../../../src/target/mysql/session/driver.ts';
import { isServerError } from '../../../../src/target/mysql/session/errors.ts';
import { loadRows } from '../../../../src/target/mysql/statements/session-tables.ts';
import { loadedRows } from '../../../../src/target/mysql/values/load-file.ts';
import { defaultTargetOptions } from '../../../../src/target/open-target.ts';
import type { ShapeRows } from '../../../../src/target/target.ts';
import { rowsOf, shapeOf } from '../../../contract/target-fixture.ts';
import { MYSQL_PRODUCTS } from '../../../support/mysql-test-database.ts';
import { type MysqlFixture, mysqlFixture } from '../fixture.ts';

const session = {
  applyTimeoutMs: 30_000,
  statementCacheSize: 0,
  statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
};

async function dial({ url }: MysqlFixture): Promise<MysqlConnection> {
  return await MysqlConnection.dial(parseMysqlAddress(url, 'url'), session);
}

async function itemRows(
  fixture: MysqlFixture,
  count: number,
): Promise<ShapeRows> {
  await fixture.sql('create table item (id int primary key, name text)');
  const table = (await shapeOf(fixture)).tables.get('item')!;
  return rowsOf(
    table,
    Array.from({ length: count }, (_, id) => ({
      id: String(id),
      name: JSON.stringify('x'.repeat(100)),
    })),
  );
}

test.each(MYSQL_PRODUCTS)(
  'a table that is full keeps what was written before, and the rows lie elsewhere (%s)',
  async (product) => {
    await using fixture = await mysqlFixture(product);
    const rows = await itemRows(fixture, 1000);
    await using connection = await dial(fixture);
    await connection.query('set session max_heap_table_size = 16384');
    connection.sendAhead('start transaction');
    await connection.query("insert into item values (-1, 'first')");
    const loaded = loadedRows(rows, defaultTargetOptions.valuePolicies);
    const name = (await loadRows(connection, loaded))!;
    expect(name).toContain('replicator_rows_');
    await connection.query(`insert into item select * from ${name}`);
    expect(await fixture.rows('select count(*) from item')).toEqual([['0']]);
    await connection.query('commit');
    expect(await fixture.rows('select count(*) from item')).toEqual([['1001']]);
  },
);

test.each(MYSQL_PRODUCTS)(
  'a transaction that was not begun is not taken for a refusal of the engine (%s)',
  async (product) => {
    await using fixture = await mysqlFixture(product);
    const rows = await itemRows(fixture, 10);
    await using connection = await dial(fixture);
    const loaded = loadedRows(rows, defaultTargetOptions.valuePolicies);
    const inTransaction = async (begin: string): Promise<string | null> => {
      connection.sendAhead(begin);
      const name = await loadRows(connection, loaded);
      await connection.query('rollback');
      return name;
    };
    expect(await inTransaction('start transaction')).toContain('memory');
    const failure: unknown = await inTransaction(
      "signal sqlstate '45000'; start transaction",
    ).catch((error: unknown) => error);
    expect(isServerError(failure) && failure.errno).toBe(1644);
  },
);
