/** Tables of a session are filled again and again, whatever became of the rows. */
import mysql from 'mysql2/promise';
import { expect, test } from 'vitest';
import { schemaName } from '../../../../src/mutation/schema-name.ts';
import { openMysqlTarget } from '../../../../src/target/mysql/dialect.ts';
import { defaultTargetOptions } from '../../../../src/target/open-target.ts';
import type { JsonText } from '../../../../src/mutation/mutation.ts';
import { parseMysqlAddress } from '../../../../src/config/address/mysql.ts';
import { MysqlConnection } from '../../../../src/target/mysql/session/driver.ts';
import {
  applyTo,
  failureOf,
  row,
  shapeOf,
} from '../../../contract/target-fixture.ts';
import { startMysqlServer } from '../../../support/mysql-server.ts';
import { MYSQL_PRODUCTS } from '../../../support/mysql-test-database.ts';
import { mysqlFixture } from '../fixture.ts';
import { textValues } from '../../../../src/target/row-values.ts';

test.each(MYSQL_PRODUCTS)(
  'rows of a transaction that was rolled back do not come with the next one (%s)',
  async (product) => {
    await using fixture = await mysqlFixture(product, { fewRows: 0 });
    await fixture.sql('create table item (id int primary key, n int not null)');
    await using target = await fixture.reopen({ poolSize: 1 });
    const table = (await shapeOf(fixture)).tables.get('item')!;
    const upsert = async (id: string, n: string): Promise<void> => {
      await using transaction = await target.begin();
      await transaction.upsert({
        table,
        columns: table.columns,
        values: textValues([[id as JsonText], [n as JsonText]], 1),
        rowCount: 1,
      });
      await transaction.commit(null);
    };
    await upsert('1', '1');
    expect((await failureOf(upsert('2', 'null'))).code).toBe('E4005');
    {
      await using transaction = await target.begin();
      await transaction.upsert({
        table,
        columns: table.columns,
        values: textValues([['3' as JsonText], ['3' as JsonText]], 1),
        rowCount: 1,
      });
    }
    await upsert('4', '4');
    expect(await fixture.rows('select id, n from item order by id')).toEqual([
      ['1', '1'],
      ['4', '4'],
    ]);
  },
);

test.each(MYSQL_PRODUCTS)(
  'texts cross that are longer from one transaction to the next, and short ones behind them (%s)',
  async (product) => {
    await using fixture = await mysqlFixture(product, { fewRows: 0 });
    await fixture.sql(
      'create table item (id int primary key, name longtext, data varbinary(9000), document json)',
    );
    const lengths = [1, 40, 3, 300, 70_000, 30, 301];
    for (const [id, length] of lengths.entries()) {
      const text = 'ä'.repeat(length);
      await applyTo(fixture, {
        item: [
          row(id, [id], {
            id: String(id),
            name: JSON.stringify(text),
            data: JSON.stringify(text.slice(0, 4500)),
            document: JSON.stringify([text]),
          }),
        ],
      });
    }
    expect(
      await fixture.rows(
        'select id, char_length(name), length(data), json_length(document) from item order by id',
      ),
    ).toEqual(
      lengths.map((length, id) => [
        String(id),
        String(length),
        String(Math.min(length, 4500) * 2),
        '1',
      ]),
    );
  },
);

test('a log of statements keeps rows out of memory, a log of rows does not', async () => {
  const bytesUnder = async (format: string): Promise<number> => {
    await using server = await startMysqlServer({
      product: 'mariadb',
      fsync: false,
      settings: { log_bin: 'log', binlog_format: format },
    });
    const session = {
      applyTimeoutMs: 30_000,
      statementCacheSize: 0,
      statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
    };
    await using connection = await MysqlConnection.dial(
      parseMysqlAddress(server.url('mysql'), 'url'),
      session,
    );
    return connection.facts.memoryTableBytes;
  };
  expect(await bytesUnder('MIXED')).toBe(0);
  expect(await bytesUnder('ROW')).toBeGreaterThan(1024 * 1024);
});

test('rows cross as a file where the engine MEMORY is switched off, as for group replication', async () => {
  await using server = await startMysqlServer({
    product: 'mysql',
    fsync: false,
    settings: { disabled_storage_engines: 'MEMORY' },
  });
  const client = await mysql.createConnection(server.url());
  await client.query('create database shop');
  await client.query('create table shop.item (id int primary key, n int)');
  await using target = openMysqlTarget({
    ...defaultTargetOptions,
    url: server.url('shop'),
    fewRows: 0,
  });
  const fixture = { target, schema: schemaName(['shop']) };
  for (const second of [1, 2]) {
    const id = String(second);
    await applyTo(fixture, { item: [row(second, [id], { id, n: id })] });
  }
  const [rows] = await client.query('select id, n from shop.item');
  await client.end();
  expect(rows).toEqual([
    { id: 1, n: 1 },
    { id: 2, n: 2 },
  ]);
});
