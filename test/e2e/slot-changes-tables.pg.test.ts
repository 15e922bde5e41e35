/** What becomes of tables and columns between a slot and a PostgreSQL target. */
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

const months = `
  create table visit_1 partition of visit for values from ('2024-01-01') to ('2024-02-01');
  create table visit_2 partition of visit for values from ('2024-02-01') to ('2024-03-01');
  create table visit_rest partition of visit default`;
const visits = `create table visit (id int8, at date, note text, primary key (id, at))`;
const partitionedVisits = `${visits} partition by range (at); ${months}`;
const outside = `
  alter table visit_1 alter column note set storage external;
  alter table visit_2 alter column note set storage external`;
const visitChanges = [
  `insert into visit select g, '2024-01-01'::date + (g * 5)::int4, repeat('n', 5000) from generate_series(1, 20) g`,
  `update visit set note = 'short' where id % 4 = 0`,
  `update visit set id = id + 100 where id % 5 = 0`,
  `update visit set at = at + 31 where id < 9`,
  `delete from visit where id in (3, 19)`,
];

describe('partitions', () => {
  test.for([
    ['the same partitions', partitionedVisits, ''],
    ['one table', visits, ''],
    [
      'one table, under the name of the root',
      visits,
      'with (publish_via_partition_root)',
    ],
    [
      'other partitions, under the name of the root',
      `${visits} partition by hash (id);
       create table visit_even partition of visit for values with (modulus 2, remainder 0);
       create table visit_odd partition of visit for values with (modulus 2, remainder 1)`,
      'with (publish_via_partition_root)',
    ],
  ] as const)(
    'of the source go into %s, rows that move among them too',
    async ([, target, publication]) => {
      await using house = await slotHouse({
        server,
        sourceSetup: `${partitionedVisits}; ${outside}`,
        targetSetup: target,
        publication: `for all tables ${publication}`,
      });
      for (const statement of visitChanges) {
        await house.source.sql(statement);
      }
      await house.settle(['visit']);
      await house.source.sql(
        `update visit set id = -id; ${visitChanges.join(';')}`,
      );
      await house.settle(['visit']);
      await house.source.sql(
        'truncate visit; insert into visit values (1, now())',
      );
      await house.settle(['visit']);
    },
  );

  test('that are attached and detached bring their rows as long as they are published', async () => {
    await using house = await slotHouse({
      server,
      setup: partitionedVisits.replace(/create table visit_rest .*/, ''),
    });
    const { source, target } = house;
    const third = `create table visit_3 (id int8, at date, note text, primary key (id, at))`;
    await target.sql(third);
    await source.sql(
      `insert into visit values (1, '2024-01-01', 'a'); ${third}; insert into visit_3 values (1, '2024-03-01'), (3, '2024-03-03')`,
    );
    await house.settle();
    const attach = `alter table visit attach partition visit_3 for values from ('2024-03-01') to ('2024-04-01')`;
    await target.sql(attach);
    await source.sql(
      `${attach}; insert into visit values (2, '2024-03-02'); update visit set at = '2024-01-09' where id = 3`,
    );
    await house.settle();
    const detach = `alter table visit detach partition visit_1`;
    await source.sql(
      `${detach}; insert into visit_1 values (77, '2024-01-31'); update visit_1 set note = 'alone' where id = 1`,
    );
    await house.complaint(/E6013/);
    await target.sql(detach);
    await source.sql(`delete from visit_1 where id = 3`);
    await house.settle();
  });

  test('of which one is emptied halt the daemon where the target has one table for all of them', async () => {
    await using house = await slotHouse({
      server,
      sourceSetup: partitionedVisits,
      targetSetup: visits,
    });
    const { source, target } = house;
    await source.sql(visitChanges.join(';'));
    await house.settle(['visit']);
    // One that was attached later counts too: these are not all of them.
    await source.sql(
      `create table visit_0 partition of visit for values from ('2023-01-01') to ('2023-02-01'); insert into visit values (0, '2023-01-01')`,
    );
    await house.settle(['visit']);
    const count = 'select count(*) from visit';
    const before = await target.rows(count);
    await source.sql('truncate visit_1, visit_2, visit_rest');
    expect(await house.complaint(/E6011/)).toContain('--partitionTruncate');
    expect(await target.rows(count)).toEqual(before);
    await house.stop();
    await target.sql(`delete from visit where id > 0`);
    await house.start({ args: ['--partitionTruncate=ignore'] });
    await house.settle(['visit']);
    await source.sql('truncate visit; insert into visit values (1, now())');
    await house.settle(['visit']);
  });
});

describe('inheritance', () => {
  const family = `create table elder (id int8 primary key, name text);
    create table younger (primary key (id), age int4) inherits (elder)`;

  test('leaves rows of parent and child apart, also where they share a key', async () => {
    await using house = await slotHouse({ server, setup: family });
    const { source, target } = house;
    await source.sql(`insert into elder values (1, 'e'), (2, 'e'), (3, 'e')`);
    await source.sql(
      `insert into younger values (1, 'y', 1), (2, 'y', 2), (3, 'y', 3)`,
    );
    await source.sql(`update only elder set name = 'changed' where id = 1`);
    await source.sql(`delete from only elder where id = 2`);
    await source.sql(`update only elder set id = 30 where id = 3`);
    await house.settle();
    const only = 'select * from only elder order by id';
    expect(await target.rows(only)).toEqual(await source.rows(only));
  });

  test('lets a parent be emptied without its children', async () => {
    await using house = await slotHouse({ server, setup: family });
    const { source } = house;
    await source.sql(
      `insert into elder values (1, 'e'); insert into younger values (2, 'y', 2)`,
    );
    await source.sql('truncate only elder');
    await house.settle();
    await source.sql(
      'truncate elder; insert into younger values (3, null, null)',
    );
    await house.settle();
  });
});

describe('a table', () => {
  const setup = 'create table old_name (id int8 primary key, v text)';

  test('that is renamed halts the daemon with the remedy, until the target is renamed too', async () => {
    await using house = await slotHouse({ server, setup });
    const { source, target } = house;
    await source.sql(`insert into old_name values (1, 'a')`);
    await house.caughtUp();
    await source.sql(
      `alter table old_name rename to new_name; insert into new_name values (2, 'b')`,
    );
    await source.sql(`update new_name set v = 'd' where id = 1`);
    expect(await house.complaint(/E6013/)).toContain(
      'public.new_name for public.new_name of the source: create the table at the target',
    );
    await target.sql('alter table old_name rename to new_name');
    await house.settle();
  });

  test('that is renamed in the middle of a transaction goes on when the target has both for a while', async () => {
    await using house = await slotHouse({ server, setup });
    const { source, target } = house;
    await source.sql(
      `insert into old_name values (1, 'a'); alter table old_name rename to new_name; insert into new_name values (2, 'b')`,
    );
    await house.complaint(/E6013/);
    await target.sql(`create table new_name (id int8 primary key, v text)`);
    await house.caughtUp();
    await target.sql(
      'insert into new_name select * from old_name; drop table old_name',
    );
    await source.sql(`update new_name set v = 'd'`);
    await house.settle();
  });

  test('that moves into a schema that goes nowhere halts the daemon, with the schema that is renamed too', async () => {
    await using house = await slotHouse({ server, setup });
    const { source, target } = house;
    await source.sql(`insert into old_name values (1, 'a')`);
    await house.caughtUp();
    await source.sql(
      `create schema away; alter table old_name set schema away; insert into away.old_name values (2, 'b')`,
    );
    expect(await house.complaint(/E\d{4}/)).toContain('away');
    expect(await target.rows('select * from old_name')).toHaveLength(1);
    await source.sql('alter table away.old_name set schema public');
    await house.kill();
    await target.sql(
      `create schema away; create table away.old_name (id int8 primary key, v text)`,
    );
    await house.start({ args: [`--schemaMap=away=${target.name}.away`] });
    await house.caughtUp();
    expect(await target.rows('select * from away.old_name')).toEqual([
      ['2', 'b'],
    ]);
  });

  test('of another schema goes where --schemaMap says, in the same transaction', async () => {
    await using house = await slotHouse({
      server,
      setup: `create schema aside; create table aside.old_name (id int8 primary key, v text); ${setup}`,
      args: (target) => [`--schemaMap=aside=${target.name}.aside`],
    });
    const { source, target } = house;
    await source.sql(
      `insert into old_name values (1, 'main'); insert into aside.old_name values (1, 'aside'), (2, 'aside')`,
    );
    await source.sql(
      `update aside.old_name set id = 3 where id = 2; delete from old_name`,
    );
    await house.settle();
    const all = 'select * from aside.old_name order by id';
    expect(await target.rows(all)).toEqual(await source.rows(all));
    await source.sql(
      `truncate aside.old_name; insert into aside.old_name values (4, null)`,
    );
    await house.settle();
    expect(await target.rows(all)).toEqual([['4', null]]);
  });

  test.for(['for all tables', 'for tables in schema public'])(
    'that is created later, published %s, halts the daemon until the target has it',
    async (publication) => {
      await using house = await slotHouse({
        server,
        setup: 'create table first (id int8 primary key)',
        publication,
      });
      const { source, target } = house;
      await source.sql(
        `insert into first values (1); create table second (id int8 primary key); insert into second values (1)`,
      );
      await source.sql('insert into first values (2)');
      await house.complaint(/E6013/);
      await target.sql('create table second (id int8 primary key)');
      await house.settle();
    },
  );

  test('that the target lacks is left out with --onUnknown ignore', async () => {
    await using house = await slotHouse({
      server,
      setup: 'create table first (id int8 primary key)',
      sourceSetup: 'create table second (id int8 primary key)',
      args: ['--onUnknown=ignore'],
    });
    await house.source.sql(
      'insert into second values (1); insert into first values (1); truncate second',
    );
    await house.settle(['first']);
  });

  test('that is dropped and made anew, with other columns, goes on where the target has it too', async () => {
    await using house = await slotHouse({
      server,
      setup: 'create table short_lived (id int8 primary key, a text)',
    });
    const { source, target } = house;
    await source.sql(`insert into short_lived values (1, 'a')`);
    await house.caughtUp();
    const again =
      'drop table short_lived; create table short_lived (b int4, key text primary key)';
    await target.sql(again);
    await source.sql(`${again}; insert into short_lived values (1, 'k')`);
    await source.sql(`update short_lived set key = 'l'`);
    await house.settle();
  });

  test('whose replica identity is nothing brings inserts, and the source refuses the rest', async () => {
    await using house = await slotHouse({
      server,
      setup: 'create table log (n int4, said text)',
    });
    const { source } = house;
    await source.sql(
      `insert into log values (0, 'before'); alter table log replica identity nothing; insert into log values (1, 'a'), (1, 'a')`,
    );
    await expect(source.sql('update log set n = 2')).rejects.toThrow(
      'replica identity',
    );
    await expect(source.sql('delete from log')).rejects.toThrow(
      'replica identity',
    );
    await source.sql('insert into log values (null, null)');
    await house.settle();
    await source.sql(`truncate log; insert into log values (5, 'e')`);
    await house.settle();
  });

  test('whose replica identity is an index moves keys when that index is the key of the target', async () => {
    await using house = await slotHouse({
      server,
      sourceSetup: `create table part (id int8 primary key, code text not null, long text);
        create unique index part_code on part (code);
        alter table part replica identity using index part_code, alter column long set storage external`,
      targetSetup:
        'create table part (id int8 unique, code text primary key, long text)',
    });
    const { source } = house;
    await source.sql(
      `insert into part select g, 'c' || g, repeat('x', 9000) from generate_series(1, 6) g`,
    );
    await source.sql(`update part set code = 'd' || id where id < 3`);
    await source.sql(`update part set id = id + 10`);
    await source.sql(
      `update part set id = id + 10, code = 'e', long = null where id = 16`,
    );
    await source.sql(`delete from part where id = 12`);
    await house.settle();
  });

  test('whose replica identity does not tell the key of the target halts the daemon, which says the way out', async () => {
    await using house = await slotHouse({
      server,
      sourceSetup: `create table part (id int8 primary key, code text not null unique);
        alter table part replica identity using index part_code_key`,
      targetSetup: 'create table part (id int8 primary key, code text)',
    });
    await house.source.sql(
      `insert into part values (1, 'a'); update part set code = 'b'`,
    );
    expect(await house.complaint(/E6011/)).toContain('REPLICA IDENTITY FULL');
  });
});

describe('a column', () => {
  const setup = 'create table item (id int8 primary key, a text)';
  const write = (id: number, columns: string): string =>
    `insert into item select ${id}, ${columns}`;

  test('that the source adds in the middle of a transaction halts the daemon until the target has it', async () => {
    await using house = await slotHouse({ server, setup });
    const { source, target } = house;
    await source.sql(
      `${write(1, `'a'`)}; alter table item add b int4 default 7; ${write(2, `'b', 2`)}; update item set b = 8 where id = 1`,
    );
    await house.complaint(/E\d{4}/);
    await target.sql('alter table item add b int4 default 7');
    await house.settle();
  });

  test('that the target adds first, and the source then, goes on without a word', async () => {
    await using house = await slotHouse({ server, setup });
    const { source, target } = house;
    await source.sql(write(1, `'a'`));
    await target.sql('alter table item add b int4 default 7');
    await source.sql(
      `${write(2, `'b'`)}; alter table item add b int4 default 7; ${write(3, `'c', 3`)}; update item set a = 'x' where id = 1`,
    );
    await house.settle();
  });

  test('that the source drops in the middle of a transaction is left alone until the target drops it', async () => {
    await using house = await slotHouse({
      server,
      setup: `${setup}; alter table item add b int4`,
    });
    const { source, target } = house;
    await source.sql(write(1, `'a', 1`));
    await source.sql(
      `alter table item drop b; ${write(2, `'b'`)}; update item set a = 'c'`,
    );
    await house.caughtUp();
    expect(await target.rows('select id, a, b from item order by id')).toEqual([
      ['1', 'c', '1'],
      ['2', 'c', null],
    ]);
    await target.sql('alter table item drop b');
    await source.sql(`update item set id = 3 where id = 2`);
    await house.settle();
  });

  test('that the source drops, and the target does not do without, halts the daemon until the target drops it', async () => {
    await using house = await slotHouse({
      server,
      setup: `${setup}; alter table item add b int4 not null`,
    });
    const { source, target } = house;
    await source.sql(write(1, `'a', 1`));
    await house.caughtUp();
    await source.sql(
      `update item set b = 2; alter table item drop b; ${write(2, `'b'`)}`,
    );
    await house.complaint(/E4005/);
    await target.sql('alter table item alter b drop not null');
    await house.caughtUp();
    await target.sql('alter table item drop b');
    await house.settle();
  });

  test('that the source renames halts the daemon until the target renames it', async () => {
    await using house = await slotHouse({ server, setup });
    const { source, target } = house;
    await source.sql(write(1, `'a'`));
    await house.caughtUp();
    await source.sql(
      `alter table item rename a to b; ${write(2, `'b'`)}; update item set b = 'c' where id = 1`,
    );
    await house.complaint(/E\d{4}/);
    await target.sql('alter table item rename a to b');
    await house.settle();
  });

  test('that the source renames in the middle of a transaction goes on when the target has both for a while', async () => {
    await using house = await slotHouse({ server, setup });
    const { source, target } = house;
    await source.sql(
      `${write(1, `'a'`)}; alter table item rename a to b; ${write(2, `'b'`)}`,
    );
    await house.complaint(/E\d{4}/);
    await target.sql('alter table item add b text');
    await house.caughtUp();
    await target.sql(
      'update item set b = a where b is null; alter table item drop a',
    );
    await source.sql(`update item set b = 'c' where id = 1`);
    await house.settle();
  });

  test('whose type the source changes in the middle of a transaction takes both where the target does', async () => {
    await using house = await slotHouse({
      server,
      setup: 'create table item (id int8 primary key, a int4)',
    });
    const { source, target } = house;
    const widen = 'alter table item alter a type text';
    await source.sql(write(1, '1'));
    await source.sql(
      `${write(2, '2')}; ${widen}; ${write(3, `'three'`)}; update item set a = 'two' where id = 2`,
    );
    await house.complaint(/E\d{4}/);
    await target.sql(widen);
    await house.settle();
    const narrow = 'alter table item alter a type int8 using id';
    await target.sql(narrow);
    await source.sql(
      `${narrow}; ${write(4, '4')}; update item set a = -1 where id = 1`,
    );
    await house.settle();
  });

  test('that becomes the key goes on when the target makes it the key too', async () => {
    await using house = await slotHouse({ server, setup });
    const { source, target } = house;
    await source.sql(`${write(1, `'a'`)}; ${write(2, `'b'`)}`);
    await house.caughtUp();
    const change =
      'alter table item drop constraint item_pkey, add primary key (a)';
    await target.sql(change);
    await source.sql(
      `${change}; update item set a = 'c' where id = 1; ${write(3, `'a'`)}; delete from item where id = 2`,
    );
    await house.settle();
  });
});
