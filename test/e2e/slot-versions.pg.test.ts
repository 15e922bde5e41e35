/** Sources of every age that has a package here, oldest to newest. */
import { describe, expect, test } from 'vitest';
import {
  olderServersAreHere,
  type PostgresMajor,
} from '../support/postgres-binaries.ts';
import {
  openSession,
  slotHouse,
  startSlotServer,
} from '../support/slot-house.ts';

const majors: readonly PostgresMajor[] = olderServersAreHere
  ? [12, 14, 16, 18]
  : [18];
if (!olderServersAreHere) {
  console.log(
    'sources of PostgreSQL 12, 14 and 16 are not tested: their packages are for linux-x64 only',
  );
}

const setup = `
  create type mood as enum ('happy', 'so so');
  create domain positive as int4 check (value > 0);
  create type pair as (id int8, label text);
  create extension hstore;
  create table item (id int8 primary key, n int4, long text);
  create table whole (id int8 primary key, n int4, long text);
  create table bag (n int4, name text);
  create table parent (id int4 primary key);
  create table child (id int4 primary key, parent_id int4 references parent);
  create table visit (id int8, at date, note text, primary key (id, at));
  create table sample (
    id int4 generated always as identity primary key, b bool, i int8, num numeric, f4 float4, f8 float8, t text,
    c char(5), y bytea, u uuid, d date, ts timestamp, tz timestamptz, ti time, iv interval, j json, jb jsonb,
    net inet, bits varbit, m money, texts text[], r int4range, mood mood, pos positive, pair pair, pairs pair[], h hstore, p point,
    twice int8 generated always as (i / 2 * 2) stored)`;
const source = `
  alter table item alter long set storage external;
  alter table whole replica identity full, alter long set storage external;
  alter table bag replica identity full;
  drop table visit;
  create table visit (id int8, at date, note text, primary key (id, at)) partition by range (at);
  create table visit_1 partition of visit for values from ('2024-01-01') to ('2024-02-01');
  create table visit_rest partition of visit default`;
const sample = `
  insert into sample (b, i, num, f4, f8, t, c, y, u, d, ts, tz, ti, iv, j, jb, net, bits, m, texts, r, mood, pos, pair, pairs, h, p) values
  (true, -9223372036854775808, '1234567890123456789012345678.50', '1.1', '0.1', E'é€😀"\\\\\\n', 'ab', '\\x00ff', 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
   '0044-03-15 BC', '294276-12-31 23:59:59.999999', '2024-02-29 12:34:56.123456+05:30', '24:00:00', '1 year -3 days 04:05:06.789',
   '{"b": 1.0, "a" : 2}', '{"b": 1.0}', '10.0.0.1/8', '10101', '-1234.56', '[0:1]={"a,b",NULL}', '[1,5)', 'so so', 7,
   '(1,"a ""b"", c")', '{"(1,x)"}', '"a"=>"1", "b c"=>NULL', '(1.5,-2)'),
  (false, 9223372036854775807, 'NaN', 'NaN', '-Infinity', '', '', '\\x', null, 'infinity', '-infinity', 'infinity', '00:00', '0',
   'null', 'null', '::1', '', '0', '{}', 'empty', null, null, '(,)', '{}', '', null),
  (null, null, null, '1e-45', '5e-324', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null)`;

const tables = ['item', 'whole', 'bag', 'parent', 'child', 'visit', 'sample'];

describe.for(majors)('a source of PostgreSQL %i', (major) => {
  test('brings rows, keys, large values, emptied tables, large transactions and types, over a kill of its reader', async () => {
    await using server = await startSlotServer({
      major,
      // The smallest there is; version 12 has no such setting and keeps all.
      settings: major >= 13 ? { logical_decoding_work_mem: '64kB' } : {},
    });
    await using house = await slotHouse({
      server,
      setup,
      sourceSetup: source,
    });
    const { source: from } = house;
    await from.sql(sample);
    await from.sql(`update sample set t = 'changed', num = num where id = 2`);
    for (const table of ['item', 'whole']) {
      await from.sql(
        `insert into ${table} select g, g, repeat('x' || g, 5000) from generate_series(1, 20) g`,
      );
      await from.sql(`update ${table} set n = -n where id <= 10`);
      await from.sql(
        `begin; update ${table} set id = id + 100 where id <= 5; update ${table} set n = 0 where id > 100; delete from ${table} where id = 104; commit`,
      );
      await from.sql(
        `update ${table} set id = 0 where id = 6; update ${table} set id = 6 where id = 7`,
      );
      await from.sql(`update ${table} set long = null where id = 8`);
    }
    await from.sql(
      `insert into bag values (1, 'a'), (1, 'a'), (null, null); update bag set name = 'b' where ctid = (select min(ctid) from bag)`,
    );
    await from.sql(
      `insert into visit select g, '2024-01-01'::date + g * 5, 'n' from generate_series(1, 12) g; update visit set at = at + 31 where id < 4; delete from visit where id = 9`,
    );
    await from.sql(
      `insert into parent values (1), (2); insert into child values (1, 1), (2, 2)`,
    );
    await house.settle(tables);

    await house.kill();
    await from.sql('truncate parent, child; insert into parent values (3)');
    await from.sql(
      `begin; savepoint a; insert into item values (500, 1, 'undone'); rollback to a; insert into item values (501, 1, 'kept'); commit`,
    );
    await house.start();
    const other = await openSession(from.url);
    await other.sql(
      `begin; insert into item select g, g, 'large' from generate_series(1000, 4000) g; savepoint a; update item set n = 7 where id > 1000`,
    );
    await from.sql(`insert into parent values (4)`);
    await house.caughtUp();
    await house.kill();
    await other.sql(
      `rollback to a; update item set long = 'changed' where id between 1000 and 1100`,
    );
    await house.start();
    await other.sql('commit');
    await other.end();
    await from.sql(
      'alter table item add late int4; update item set late = 1 where id = 10',
    );
    await house.complaint(/E\d{4}/);
    await house.target.sql('alter table item add late int4');
    await from.sql(
      'truncate whole restart identity; insert into whole values (1, 1, null)',
    );
    await house.settle(tables);
    expect(await house.stop()).toBe(0);
  });
});
