/** What becomes of rows between a slot and a PostgreSQL target. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PostgresServer } from '../support/postgres-server.ts';
import {
  type SlotHouse,
  slotHouse,
  startSlotServer,
} from '../support/slot-house.ts';

interface Story {
  /** Made at both ends; the first word behind CREATE TABLE is its name. */
  readonly tables: string;
  /** Only at the source. */
  readonly source?: string;
  /** At the target before the others. */
  readonly first?: readonly string[];
  readonly statements: readonly string[];
}

const long = (letter: string): string => `repeat('${letter}', 20000)`;
/** Beside its row, so that an update that leaves it does not send it. */
const outside = (...columns: string[]): string =>
  columns.map((column) => `alter column ${column} set storage external`).join();

const stories: Readonly<Record<string, Story>> = {
  'inserted, updated and deleted rows': {
    tables: 'create table plain (id int8 primary key, name text, n numeric)',
    statements: [
      `insert into plain select g, 'a' || g, g / 7.0 from generate_series(1, 50) g`,
      `update plain set name = null where id % 5 = 0`,
      `delete from plain where id % 7 = 0`,
      `insert into plain values (7, 'again', null)`,
      `update plain set n = n + 1`,
    ],
  },
  'rows deleted and inserted again under their key, and changed in between': {
    tables: 'create table again (id int8 primary key, a text, b text)',
    statements: [
      `insert into again values (1, 'a', 'b'), (2, 'c', 'd')`,
      `delete from again where id = 1`,
      `insert into again (id, b) values (1, 'new')`,
      `update again set a = 'newer' where id = 1`,
      `delete from again where id = 2`,
      `insert into again values (2, 'x', null)`,
      `delete from again where id = 2`,
    ],
  },
  'rows that get another key': {
    tables:
      'create table moved (a int8, b text, n int4, primary key (a, b), unique (n))',
    statements: [
      `insert into moved select g, 'k' || g, g from generate_series(1, 20) g`,
      `update moved set a = a + 100 where a <= 5`,
      `update moved set b = upper(b), n = -n where a between 6 and 10`,
      `update moved set a = a - 100 where a > 102`,
      `insert into moved values (101, 'k101', 999)`,
      `delete from moved where a = 102`,
      `update moved set n = n + 1000`,
    ],
  },
  'rows that get another key under replica identity full': {
    tables: 'create table moved_full (id int8 primary key, n int4)',
    source: 'alter table moved_full replica identity full',
    statements: [
      `insert into moved_full select g, g from generate_series(1, 9) g`,
      `update moved_full set id = id + 100 where id <= 5`,
      `update moved_full set n = null where id = 7`,
      `delete from moved_full where id in (101, 8)`,
    ],
  },
  'two rows that swap their keys through a third': {
    tables: 'create table swapped (id int8 primary key, name text)',
    statements: [
      `insert into swapped values (1, 'one'), (2, 'two')`,
      `update swapped set id = 0 where id = 1`,
      `update swapped set id = 1 where id = 2`,
      `update swapped set id = 2 where id = 0`,
    ],
  },
  'large values that swap their rows': {
    tables: 'create table swapped_long (id int8 primary key, name text)',
    source: `alter table swapped_long ${outside('name')}`,
    statements: [
      `insert into swapped_long values (1, ${long('a')}), (2, ${long('b')})`,
      `update swapped_long set id = 0 where id = 1`,
      `update swapped_long set id = 1 where id = 2`,
      `update swapped_long set id = 2 where id = 0`,
    ],
  },
  'large values of rows at the target that pass their keys on in circles': {
    tables:
      'create table circled (a int8, b text, n int4, long text, primary key (a, b))',
    source: `alter table circled ${outside('long')}`,
    first: [
      `insert into circled select g, 'k', g, repeat(chr(64 + g::int4), 9000) from generate_series(1, 12) g`,
    ],
    statements: [
      // Two, three, one that another row's chain ends in, and one through a delete.
      `update circled set a = 0 where a = 1`,
      `update circled set a = 1 where a = 2`,
      `update circled set a = 2 where a = 0`,
      `update circled set a = 0, n = -3 where a = 3`,
      `update circled set a = 3 where a = 4`,
      `update circled set a = 4 where a = 5`,
      `update circled set a = 5 where a = 0`,
      `update circled set a = a + 100 where a between 6 and 8`,
      `update circled set a = case a when 106 then 7 when 107 then 8 else 6 end where a > 100`,
      `update circled set b = 'l' where a = 9`,
      `delete from circled where a = 10`,
      `update circled set a = 10 where a = 11`,
      `update circled set a = 11 where a = 12`,
      `insert into circled values (12, 'k', 12, null)`,
      `update circled set b = 'k', n = 0 where a = 9`,
    ],
  },
  'keys that all shift, with large values that are not sent': {
    tables:
      'create table shifted (id int8 primary key, n int4, long text, other text)',
    source: `alter table shifted ${outside('long', 'other')}`,
    statements: [
      `insert into shifted select g, g, repeat(chr(64 + g::int4), 20000), repeat('o' || g, 9000) from generate_series(1, 6) g`,
      `update shifted set id = id + 1000`,
      `update shifted set id = id - 999`,
      `update shifted set n = -n, other = 'short' where id = 3`,
      `update shifted set id = 50 where id = 3`,
      `delete from shifted where id = 4`,
      `update shifted set id = 4 where id = 50`,
      `insert into shifted values (50, 50, ${long('z')}, null)`,
    ],
  },
  'large values that a change leaves, sets and clears': {
    tables:
      'create table toasted (id int8 primary key, n int4, long text, doc jsonb, bytes bytea)',
    source: `alter table toasted ${outside('long', 'bytes')}`,
    statements: [
      `insert into toasted select g, 0, repeat(chr(64 + g::int4), 20000), jsonb_build_object('k', (select jsonb_agg(md5(h::text)) from generate_series(1, 300) h)), convert_to(repeat('b', 9000), 'UTF8') from generate_series(1, 5) g`,
      `update toasted set n = n + 1`,
      `update toasted set long = null where id = 1`,
      `update toasted set long = 'short', n = 7 where id = 2`,
      `update toasted set long = ${long('n')} where id in (1, 3)`,
      `update toasted set doc = doc || '{"more": 1}' where id = 4`,
      `update toasted set n = n + 1`,
      `delete from toasted where id = 5`,
      `insert into toasted (id, n) values (5, 5)`,
      `update toasted set n = 6 where id = 5`,
    ],
  },
  'large values under replica identity full': {
    tables:
      'create table toasted_full (id int8 primary key, n int4, long text)',
    source: `alter table toasted_full ${outside('long')}, replica identity full`,
    statements: [
      `insert into toasted_full values (1, 1, ${long('a')}), (2, 2, null)`,
      `update toasted_full set n = n + 1`,
      `update toasted_full set id = id + 10`,
      `update toasted_full set long = null where id = 11`,
    ],
  },
  'rows without a key': {
    tables: 'create table bag (n int4, name text)',
    statements: [
      `insert into bag values (1, 'a'), (1, 'a'), (null, null), (null, null), (2, '')`,
      `insert into bag values (1, 'a')`,
    ],
  },
  'rows without a key that are updated and deleted under replica identity full':
    {
      tables:
        'create table bag_full (n int4, name text, f float8, j json, p point, at timestamptz)',
      source: 'alter table bag_full replica identity full',
      statements: [
        `insert into bag_full select 1, 'a', 'NaN', '{"a": 1.0}', '(1,2)', '2024-01-01' from generate_series(1, 4)`,
        `insert into bag_full values (null, null, null, null, null, null), (null, '', '-0', 'null', null, 'infinity')`,
        `update bag_full set name = 'b' where ctid = (select min(ctid) from bag_full where n = 1)`,
        `delete from bag_full where ctid = (select max(ctid) from bag_full where n = 1)`,
        `update bag_full set f = 0.1 where n is null`,
        `insert into bag_full select * from bag_full`,
        `delete from bag_full where name is null`,
        `update bag_full set j = '{"a" : 1.0}' where n = 1`,
      ],
    },
  'rows without a key that have large values': {
    tables: 'create table bag_long (n int4, long text)',
    source: `alter table bag_long ${outside('long')}, replica identity full`,
    statements: [
      `insert into bag_long values (1, ${long('a')}), (1, ${long('a')}), (2, ${long('b')})`,
      `update bag_long set n = 3 where n = 2`,
      `delete from bag_long where ctid = (select min(ctid) from bag_long where n = 1)`,
      `update bag_long set long = 'short' where n = 3`,
    ],
  },
  'generated columns and identity columns': {
    tables: `create table made (
      id int8 generated always as identity primary key,
      other int4 generated by default as identity,
      a int4,
      stored int4 generated always as (a * 2) stored,
      virtual int4 generated always as (a + 1) virtual)`,
    statements: [
      `insert into made (a) select g from generate_series(1, 9) g`,
      `insert into made (id, other, a) overriding system value values (100, 7, null)`,
      `update made set a = a * 10 where id < 5`,
      `update made set id = default where id = 5`,
      `delete from made where id = 2`,
    ],
  },
  'names with quotes, capitals, dots and blanks': {
    tables: `create table "An ""odd"".Name" ("The Key" int8 primary key, "a.b" text, "select" text, "ü€" int4)`,
    statements: [
      `insert into "An ""odd"".Name" values (1, 'a', 'b', 1), (2, 'c', 'd', 2)`,
      `update "An ""odd"".Name" set "The Key" = 3, "ü€" = null where "The Key" = 1`,
      `delete from "An ""odd"".Name" where "select" = 'd'`,
    ],
  },
  'a table that is emptied': {
    tables: 'create table emptied (id int8 primary key, long text)',
    source: `alter table emptied ${outside('long')}`,
    statements: [
      `insert into emptied select g, repeat('a', 5000) from generate_series(1, 20) g`,
      `update emptied set id = id + 100 where id < 5`,
      `truncate emptied`,
      `insert into emptied values (1, 'after'), (101, 'after')`,
      `update emptied set id = 2 where id = 1`,
      `truncate emptied`,
      `truncate emptied`,
      `insert into emptied values (3, 'last')`,
    ],
  },
  'tables that are emptied with those that refer to them': {
    tables: `create table parent (id int8 primary key, name text);
      create table child (id int8 primary key, parent_id int8 not null references parent);
      create table aside (id int8 primary key)`,
    statements: [
      `insert into parent values (1, 'a'), (2, 'b')`,
      `insert into child values (1, 1), (2, 1), (3, 2)`,
      `insert into aside values (1)`,
      `truncate child`,
      `insert into child values (9, 2)`,
      `truncate parent cascade`,
      `insert into parent values (2, 'c')`,
      `insert into child values (9, 2)`,
      `truncate parent, child, aside`,
      `insert into aside values (2)`,
      `insert into parent values (3, 'd')`,
      `insert into child values (10, 3)`,
    ],
  },
  'a table without a key that is emptied': {
    tables: 'create table emptied_bag (n int4)',
    source: 'alter table emptied_bag replica identity full',
    statements: [
      `insert into emptied_bag select 1 from generate_series(1, 5)`,
      `truncate emptied_bag`,
      `insert into emptied_bag values (1), (1)`,
      `update emptied_bag set n = 2 where ctid = (select min(ctid) from emptied_bag)`,
    ],
  },
  'parents and children of a foreign key': {
    tables: `create table owner (id int8 primary key, name text);
      create table pet (id int8 primary key, owner_id int8 references owner on delete cascade on update cascade, boss int8 references pet)`,
    statements: [
      `insert into owner values (1, 'a'), (2, 'b'), (3, 'c')`,
      `insert into pet values (1, 1, null), (2, 1, 1), (3, 2, 2), (4, 3, 3)`,
      `update pet set boss = null where id = 3`,
      `delete from owner where id = 3`,
      `insert into owner values (4, 'd')`,
      `insert into pet values (4, 4, 1)`,
      `update pet set owner_id = 4 where owner_id = 2`,
      `delete from owner where id = 2`,
    ],
  },
  'unique values that pass from row to row, where the target looks at the end':
    {
      tables: `create table badge (id int8 primary key, code text unique deferrable initially deferred)`,
      statements: [
        `insert into badge values (1, 'a'), (2, 'b'), (3, 'c')`,
        `update badge set code = case code when 'a' then 'b' when 'b' then 'a' else code end`,
        `delete from badge where id = 3`,
        `insert into badge values (4, 'c')`,
        `update badge set code = 'd' where id = 4`,
        `update badge set code = 'c' where id = 1`,
      ],
    },
  'columns that stand in another order': {
    tables: 'create table reordered (id int8 primary key)',
    source:
      'alter table reordered add name text, add n int4, add at timestamptz',
    statements: [
      `insert into reordered values (1, 'a', 1, '2024-01-01'), (2, 'b', 2, null)`,
      `update reordered set name = 'c' where id = 2`,
    ],
  },
};

const modes = ['in a transaction each', 'in one transaction', 'as a backlog'];

describe('a slot brings', () => {
  let server: PostgresServer;
  let house: SlotHouse;
  beforeAll(async () => {
    server = await startSlotServer();
    const all = Object.values(stories);
    house = await slotHouse({
      server,
      setup: all.map(({ tables }) => tables).join(';'),
      sourceSetup: all
        .map(({ source }) => source ?? '')
        .filter((source) => source !== '')
        .join(';'),
    });
    await house.target.sql(
      'alter table reordered add at timestamptz, add n int4, add name text',
    );
  });
  afterAll(async () => {
    await house[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test.for(Object.keys(stories))('%s', async (name) => {
    const { tables, first = [], statements } = stories[name]!;
    const names = [
      ...tables.matchAll(/create table ("(?:[^"]|"")+"|\w+)/g),
    ].map((match) => match[1]!);
    const { source } = house;
    for (const mode of modes) {
      if (first.length > 0) {
        await source.sql(first.join(';'));
        await house.caughtUp();
      }
      if (mode === 'as a backlog') {
        expect(await house.stop()).toBe(0);
      }
      if (mode === 'in one transaction') {
        await source.sql(statements.join(';'));
      } else {
        for (const statement of statements) {
          await source.sql(statement);
        }
      }
      if (mode === 'as a backlog') {
        await house.start({ waitFor: 'listening' });
      }
      await house.caughtUp();
      await house.expectEqual(names.map(unquoted), mode);
      await source.sql(`truncate ${names.join()} restart identity`);
    }
  });
});

function unquoted(name: string): string {
  return name.replaceAll(/^"|"$/g, '').replaceAll('""', '"');
}
