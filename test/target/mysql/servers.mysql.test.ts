/** Servers that are set up otherwise than the one the other tests share. */
import mysql from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import { applyTo, row } from '../../contract/target-fixture.ts';
import {
  type MysqlServerOptions,
  startMysqlServer,
} from '../../support/mysql-server.ts';
import { MYSQL_PRODUCTS } from '../../support/mysql-test-database.ts';

/** Writes twice what takes every way there is, and reads it back. */
async function writeAndRead(
  options: MysqlServerOptions,
  name = 'shop',
): Promise<string> {
  await using server = await startMysqlServer({ fsync: false, ...options });
  const client = await mysql.createConnection({
    uri: server.url(),
    multipleStatements: true,
  });
  try {
    await client.query(`
      create database shop;
      create table shop.item (id int primary key, code varchar(20) not null unique, up int, foreign key (up) references item (id));
      create table shop.plain (id varchar(20) primary key, n int)`);
    await using target = await openTarget({
      ...defaultTargetOptions,
      url: server.url('shop'),
    });
    const schema = schemaName([name]);
    const claimed = (await target.claimCheckpoint(schema, 'here', null))!;
    for (const size of [3, 2000]) {
      const ids = Array.from({ length: size }, (_, index) => index + 1);
      const rows = (second: number) => ({
        item: ids.map((id) =>
          row(second, [id], {
            id: String(id),
            code: `"${(id + second) % size}"`,
            up: String((id % size) + 1),
          }),
        ),
        plain: ids.map((id) =>
          row(second, [`"${id}"`], { id: `"${id}"`, n: String(second) }),
        ),
      });
      await applyTo({ target, schema }, rows(1), { order: 'deletes-first' });
      await applyTo({ target, schema }, rows(2), { order: 'deletes-first' });
    }
    await using transaction = await target.begin();
    await transaction.commit({
      schema,
      checkpoint: { applied: '1.0' as never, epoch: claimed.epoch },
      previous: claimed.applied,
    });
    const [rows] = await client.query<mysql.RowDataPacket[]>(
      `select (select group_concat(distinct n) from shop.plain) as n, (select count(distinct code) from shop.item) as codes, (select code from shop.item where id = 1998) as last`,
    );
    return Object.values(rows[0]!).join(' ');
  } finally {
    await client.end();
  }
}

describe.each(MYSQL_PRODUCTS)('%s', (product) => {
  test('with a binary log is written to as without', async () => {
    const settings: Record<string, string | number> =
      product === 'mysql'
        ? {
            log_bin: 'log',
            server_id: 7,
            gtid_mode: 'ON',
            enforce_gtid_consistency: 'ON',
          }
        : { log_bin: 'log', server_id: 7, gtid_strict_mode: 'ON' };
    expect(await writeAndRead({ product, settings })).toBe('2 2000 0');
  });

  test('that folds names and keeps its own ways is written to as any other', async () => {
    expect(
      await writeAndRead(
        {
          product,
          settings: {
            lower_case_table_names: 1,
            sql_mode: 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT',
            character_set_server: 'latin1',
            collation_server: 'latin1_german1_ci',
            default_time_zone: '-07:00',
            transaction_isolation: 'SERIALIZABLE',
            autocommit: 'OFF',
            ...(product === 'mysql' && { sql_require_primary_key: 'ON' }),
          },
        },
        'Shop',
      ),
    ).toBe('2 2000 0');
  });

  test('whose packets are small takes large rows from a file', async () => {
    await using server = await startMysqlServer({
      product,
      fsync: false,
      settings: { max_allowed_packet: '1M' },
    });
    const client = await mysql.createConnection({ uri: server.url() });
    try {
      await client.query('create database shop');
      await client.query(
        'create table shop.item (id int primary key, body longtext, bytes longblob)',
      );
      await using target = await openTarget({
        ...defaultTargetOptions,
        url: server.url('shop'),
      });
      const schema = schemaName(['shop']);
      const body = 'x'.repeat(6 * 1024 * 1024);
      const outcome = await applyTo(
        { target, schema },
        {
          item: [
            row(1, [1], {
              id: '1',
              body: `"${body}"`,
              bytes: `"\\\\x${'00ff'.repeat(100)}"`,
            }),
          ],
        },
      ).then(
        () => 'written',
        (error: { code: string }) => error.code,
      );
      const [rows] = await client.query<mysql.RowDataPacket[]>(
        'select length(body) as body, length(bytes) as bytes from shop.item',
      );
      expect([outcome, rows]).toEqual([
        'written',
        [{ body: body.length, bytes: 200 }],
      ]);
    } finally {
      await client.end();
    }
  });
});
