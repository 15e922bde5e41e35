import mysql from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import { MYSQL_PRODUCTS, testMysqlDatabase } from './mysql-test-database.ts';

describe.each(MYSQL_PRODUCTS)('%s', (product) => {
  test('each test has a database of its own, gone afterwards', async () => {
    let name = '';
    {
      await using one = await testMysqlDatabase(product);
      await using two = await testMysqlDatabase(product);
      name = one.name;
      await one.sql('create table t (n int); insert into t values (1), (2)');
      expect(await one.query('select n from t where n > ?', [1])).toEqual([
        ['2'],
      ]);
      expect(await two.query('show tables')).toEqual([]);
      expect(await two.query('create table t (n int)')).toEqual([]);
    }
    await using other = await testMysqlDatabase(product);
    expect(await other.query('show databases like ?', [name])).toEqual([]);
  });

  test('a database goes although a session holds locks in it', async () => {
    let client: mysql.Connection | undefined;
    {
      await using db = await testMysqlDatabase(product);
      await db.sql('create table t (n int)');
      client = await mysql.createConnection(db.url);
      client.on('error', () => {});
      await client.query('start transaction');
      await client.query('insert into t values (1)');
    }
    await expect(client.query('select 1')).rejects.toThrow();
    client.destroy();
  });

  test('values are the text the server writes', async () => {
    await using db = await testMysqlDatabase(product);
    await db.sql(`
      create table t (
        a bigint unsigned, b decimal(40, 10), c double, d datetime(6), e time(3),
        f json, g varchar(9), h varbinary(9), i blob, j text, k bit(9),
        l enum('x', 'y'), m timestamp(6) null, n point, o date, p year,
        q set('x', 'y'), r binary(2));
      insert into t values (
        18446744073709551615, 123456789012345678901234567890.0123456789, 1e300,
        '2001-02-03 04:05:06.000007', '-838:59:59', '{"a": 1}', 'é🙂', x'00ff',
        x'', 'naïve', b'100000001', 'y', '2001-02-03 04:05:06.5',
        point(1, 2), '2001-02-03', 2001, 'x,y', x'01');
      insert into t () values ()`);
    expect(await db.query('select * from t')).toEqual([
      [
        '18446744073709551615',
        '123456789012345678901234567890.0123456789',
        '1e300',
        '2001-02-03 04:05:06.000007',
        '-838:59:59.000',
        '{"a": 1}',
        'é🙂',
        '0x00ff',
        '0x',
        'naïve',
        '0x0101',
        'y',
        '2001-02-03 04:05:06.500000',
        '0x000000000101000000000000000000f03f0000000000000040',
        '2001-02-03',
        '2001',
        'x,y',
        '0x0100',
      ],
      Array.from({ length: 18 }, () => null),
    ]);
  });

  test("the session's mode is the server's default", async () => {
    await using db = await testMysqlDatabase(product);
    expect(await db.query('select @@sql_mode = @@global.sql_mode')).toEqual([
      ['1'],
    ]);
  });
});
