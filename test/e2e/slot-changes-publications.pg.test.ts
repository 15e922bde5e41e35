/** What of a source a publication lets through, to a PostgreSQL target. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PostgresServer } from '../support/postgres-server.ts';
import { slotHouse, startSlotServer } from '../support/slot-house.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describe('a publication', () => {
  test('of some columns leaves the others at the target as they are', async () => {
    await using house = await slotHouse({
      server,
      setup: `create table item (id int8 primary key, a text, secret text default 'own')`,
      publication: 'for table item (id, a)',
    });
    const { source, target } = house;
    await source.sql(
      `insert into item values (1, 'a', 's'), (2, 'b', 's'), (3, 'c', 's')`,
    );
    await house.caughtUp();
    await target.sql(`update item set secret = 'kept' where id < 3`);
    await source.sql(
      `update item set a = 'x', secret = 't' where id = 1; update item set id = 20 where id = 2; delete from item where id = 3`,
    );
    await house.caughtUp();
    expect(await target.rows('select * from item order by id')).toEqual([
      ['1', 'x', 'kept'],
      ['20', 'b', 'kept'],
    ]);
  });

  test('of some rows brings those that come into it and takes those that leave it', async () => {
    await using house = await slotHouse({
      server,
      setup: `create table item (id int8 primary key, n int4, long text)`,
      sourceSetup:
        'alter table item replica identity full, alter long set storage external',
      publication: 'for table item where (n > 10)',
    });
    const { source, target } = house;
    await source.sql(
      `insert into item select g, g, repeat('x' || g, 5000) from generate_series(6, 15) g`,
    );
    await source.sql(`update item set n = n + 5 where id in (7, 8, 12)`);
    await source.sql(`update item set n = 0 where id in (14, 15)`);
    await source.sql(`update item set id = id + 100 where id in (12, 9)`);
    await source.sql(`delete from item where id in (13, 6)`);
    await house.caughtUp();
    const published =
      'select id, n, md5(long) from item where n > 10 order by id';
    expect(
      await target.rows('select id, n, md5(long) from item order by id'),
    ).toEqual(await source.rows(published));
  });

  test('of inserts alone lets nothing else through', async () => {
    await using house = await slotHouse({
      server,
      setup: `create table item (id int8 primary key, n int4)`,
      publication: `for table item with (publish = 'insert')`,
    });
    const { source, target } = house;
    await source.sql(
      `insert into item values (1, 1), (2, 2); update item set n = 9 where id = 1; delete from item where id = 2`,
    );
    await source.sql(`truncate item; insert into item values (3, 3)`);
    await house.caughtUp();
    expect(await target.rows('select * from item order by id')).toEqual([
      ['1', '1'],
      ['2', '2'],
      ['3', '3'],
    ]);
  });

  test('that gets and loses tables on the way is read as it is at each change', async () => {
    await using house = await slotHouse({
      server,
      setup: `create table one (id int8 primary key); create table two (id int8 primary key)`,
      publication: 'for table one',
    });
    const { source, target } = house;
    await source.sql(`insert into one values (1); insert into two values (1)`);
    await source.sql(`alter publication changes add table two`);
    await source.sql(`insert into one values (2); insert into two values (2)`);
    await source.sql(`alter publication changes drop table one`);
    await source.sql(`insert into one values (3); insert into two values (3)`);
    await house.caughtUp();
    expect(await target.rows('select id from one order by id')).toEqual([
      ['1'],
      ['2'],
    ]);
    expect(await target.rows('select id from two order by id')).toEqual([
      ['2'],
      ['3'],
    ]);
  });

  test('of generated columns fills ordinary columns, and lets generated ones compute', async () => {
    await using house = await slotHouse({
      server,
      sourceSetup: `create table item (id int8 primary key, a int4, twice int4 generated always as (a * 2) stored, thrice int4 generated always as (a * 3) stored)`,
      targetSetup: `create table item (id int8 primary key, a int4, twice int4, thrice int4 generated always as (a * 3) stored)`,
      publication: 'for all tables with (publish_generated_columns = stored)',
    });
    const { source } = house;
    await source.sql(`insert into item (id, a) values (1, 1), (2, null)`);
    await source.sql(`update item set a = 7 where id = 1`);
    await house.settle();
  });
});

test('identity columns start again where a table is emptied with restart identity', async () => {
  await using house = await slotHouse({
    server,
    setup: `create table item (id int8 generated always as identity primary key, n int4)`,
  });
  const { source, target } = house;
  await source.sql(`insert into item (n) values (1), (2), (3)`);
  await house.settle();
  await target.sql(`select nextval(pg_get_serial_sequence('item', 'id'))`);
  await source.sql(`truncate item`);
  await house.settle();
  const next = `select nextval(pg_get_serial_sequence('item', 'id'))`;
  expect(await target.rows(next)).toEqual([['2']]);
  await source.sql(`truncate item restart identity`);
  await house.settle();
  expect(await target.rows(next)).toEqual([['1']]);
});
