/** What equals what on MySQL and MariaDB, and how their rows leave a table. */
import { describe, expect, test } from 'vitest';
import type { JsonText } from '../../../src/mutation/mutation.ts';
import {
  failureOf,
  type Row,
  rowsOf,
  transact,
} from '../../contract/target-fixture.ts';
import { MYSQL_PRODUCTS } from '../../support/mysql-test-database.ts';
import { type MysqlFixture, mysqlFixture } from './fixture.ts';

async function deleteEqual(
  fixture: MysqlFixture,
  rows: readonly Row[],
): Promise<void> {
  await transact(fixture, async (transaction, { tables }) => {
    await transaction.deleteEqual(rowsOf(tables.get('entry')!, rows));
  });
}

/** Type, a value, and one that the server may take for the same. */
const types: readonly (readonly [string, string, string])[] = [
  ['tinyint', '1', '2'],
  ['bigint unsigned', '18446744073709551615', '18446744073709551614'],
  ['decimal(30,10)', '1.5', '1.5000000001'],
  ['float', '0.1', '0.2'],
  ['double', '0.1', '0.10000000000000002'],
  [
    'varchar(20) character set utf8mb4 collate utf8mb4_general_ci',
    '"a"',
    '"A"',
  ],
  ['varchar(20) character set utf8mb4 collate utf8mb4_bin', '"a"', '"a "'],
  ['varchar(20) character set latin1', '"é"', '"e"'],
  ['char(9) character set utf8mb4 collate utf8mb4_general_ci', '"e"', '"é"'],
  ['longtext', `"it's \\\\ \\"x\\" 🐘"`, `"it's \\\\ \\"X\\" 🐘"`],
  ['varbinary(20)', '"\\\\x00ff"', '"\\\\x00fe"'],
  ['binary(2)', '"\\\\x00ff"', '"\\\\x0000"'],
  ['bit(4)', '"1010"', '"1011"'],
  ['date', '"2024-02-29"', '"2024-02-28"'],
  [
    'datetime(6)',
    '"2024-02-29T12:00:00.123456"',
    '"2024-02-29T12:00:00.123457"',
  ],
  ['timestamp(3)', '"2024-02-29T12:00:00.123Z"', '"2024-02-29T12:00:00.124Z"'],
  ['time(6)', '"12:00:00.123456"', '"12:00:00.123457"'],
  ['year', '2024', '2025'],
  [`enum('a', 'b c')`, '"b c"', '"a"'],
  [`set('x', 'y')`, '"x,y"', '"x"'],
  ['json', '{"a": [1, null, "é"]}', '{"a": [1, 2, "é"]}'],
  ['point', '"POINT(1 2)"', '"POINT(2 1)"'],
];

const ways = MYSQL_PRODUCTS.flatMap((product) => [
  { product, way: 'each by itself', fewRows: Infinity },
  { product, way: 'all at once', fewRows: 0 },
]);

describe.each(ways)('$product, $way', ({ product, fewRows }) => {
  test('rows without a key are found whatever the types of their columns, and near ones are not', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    const name = (place: number): string => `c${place}`;
    await fixture.sql(
      `create table entry (${types.map(([type], place) => `${name(place)} ${type} null`).join(', ')})`,
    );
    const same: Row = Object.fromEntries(
      types.map(([, value], place) => [name(place), value]),
    );
    const near = types.map(([, , value], place) => ({
      ...same,
      [name(place)]: value,
    }));
    const nulls: Row = Object.fromEntries(
      types.map((_, place) => [name(place), 'null']),
    );
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.insert(
        rowsOf(tables.get('entry')!, [same, same, nulls, ...near]),
      );
    });
    await deleteEqual(fixture, [same, nulls, same, same]);
    expect(await fixture.rows('select count(*) from entry')).toEqual([
      [String(near.length)],
    ]);
    for (const [place, row] of near.entries()) {
      await deleteEqual(fixture, [row]);
      expect([
        types[place]![0],
        await fixture.rows('select count(*) from entry'),
      ]).toEqual([types[place]![0], [[String(near.length - place - 1)]]]);
    }
  });

  test('a value that its column cannot hold is refused before anything goes', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql('create table entry (n tinyint)');
    await fixture.sql('insert into entry values (1), (127)');
    const failure = await failureOf(
      deleteEqual(fixture, [{ n: '1' }, { n: '128' }]),
    );
    expect(failure.code).toBe('E4006');
    expect(await fixture.rows('select n from entry order by n')).toEqual([
      ['1'],
      ['127'],
    ]);
  });

  test('more rows go than one statement empties, and than one call deletes', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql('create table entry (n int)');
    const digits = Array.from(
      { length: 10 },
      (_, n) => `select ${n} as d`,
    ).join(' union all ');
    await fixture.sql(
      `insert into entry select a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d from (${digits}) a, (${digits}) b, (${digits}) c, (${digits}) d, (select 0 as d union all select 1 union all select 2) e`,
    );
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.truncate([tables.get('entry')!], false);
    });
    expect(await fixture.rows('select count(*) from entry')).toEqual([['0']]);
    const rows = Array.from({ length: 300 }, (_, n) => ({ n: String(n) }));
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.insert(rowsOf(tables.get('entry')!, rows));
      await transaction.deleteEqual(
        rowsOf(tables.get('entry')!, rows.slice(1)),
      );
    });
    expect(await fixture.rows('select n from entry')).toEqual([['0']]);
  });

  test('tables that refer to one another in a circle are emptied together', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql('create table a (id int primary key, b int)');
    await fixture.sql(
      'create table b (id int primary key, a int, foreign key (a) references a (id))',
    );
    await fixture.sql('alter table a add foreign key (b) references b (id)');
    await fixture.sql(
      'create table self (id int primary key, up int not null, foreign key (up) references self (id))',
    );
    await fixture.sql('insert into a values (1, null)');
    await fixture.sql('insert into b values (1, 1)');
    await fixture.sql('update a set b = 1');
    await fixture.sql('insert into self values (1, 1)');
    await fixture.sql('insert into self values (2, 1)');
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.truncate(
        ['a', 'b', 'self'].map((name) => tables.get(name)!),
        false,
      );
    });
    for (const table of ['a', 'b', 'self']) {
      expect(await fixture.rows(`select id from ${table}`)).toEqual([]);
    }
  });

  test('a key moves that the collation takes for another, and times that the server stamps stay', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql(
      `create table item (id varchar(9) character set utf8mb4 collate utf8mb4_general_ci primary key, at timestamp null default null on update current_timestamp)`,
    );
    await fixture.sql(`insert into item values ('a', '2001-02-03 04:05:06')`);
    const move = (from: string, to: string): Promise<void> =>
      transact(fixture, async (transaction, { tables }) => {
        await transaction.moveKeys({
          table: tables.get('item')!,
          from: [[from as JsonText]],
          to: [[to as JsonText]],
          rowCount: 1,
        });
      });
    await move('"A"', '"c"');
    await move('"a"', '"A"');
    expect(await fixture.rows('select id, at from item')).toEqual([
      ['A', '2001-02-03 04:05:06'],
    ]);
  });

  const swap = (fixture: MysqlFixture): Promise<void> =>
    transact(fixture, async (transaction, { tables }) => {
      await transaction.moveKeys({
        table: tables.get('item')!,
        from: [['1', '2'] as JsonText[]],
        to: [['2', '1'] as JsonText[]],
        rowCount: 2,
      });
    });

  test('children, parents and stamped times stay as they are when rows swap their keys', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql(
      `create table item (id int primary key, up int, code int not null unique, at timestamp not null default current_timestamp on update current_timestamp, place point, bits bit(4), twice int as (code * 2), foreign key (up) references item (id))`,
    );
    await fixture.sql(
      'create table child (id int primary key, item int not null, foreign key (item) references item (id) on update cascade)',
    );
    await fixture.sql(
      `insert into item (id, up, code, at, place, bits) values (1, null, 1, '2001-02-03 04:05:06', st_geomfromtext('POINT(1 2)'), b'1010'), (2, 1, 2, '2002-02-03 04:05:06', null, null)`,
    );
    await fixture.sql('update item set up = 2, at = at where id = 1');
    await fixture.sql('insert into child values (5, 1)');
    await swap(fixture);
    await swap(fixture);
    await swap(fixture);
    expect(
      await fixture.rows(
        'select id, up, code, at, st_astext(place), bits + 0, twice from item order by id',
      ),
    ).toEqual([
      ['1', '1', '2', '2002-02-03 04:05:06', null, null, '4'],
      ['2', '2', '1', '2001-02-03 04:05:06', 'POINT(1 2)', '10', '2'],
    ]);
    expect(await fixture.rows('select id, item from child')).toEqual([
      ['5', '1'],
    ]);
    await expect(
      fixture.sql('insert into child values (6, 9)'),
    ).rejects.toThrow();
  });

  test('rows that swap their keys are refused where their children would go with them', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql('create table item (id int primary key, a int)');
    await fixture.sql(
      'create table child (id int primary key, item int, foreign key (item) references item (id) on delete cascade)',
    );
    await swap(fixture);
    await fixture.sql('insert into item values (1, 1), (2, 2)');
    await fixture.sql('insert into child values (5, 1)');
    expect((await failureOf(swap(fixture))).code).toBe('E4013');
    expect(await fixture.rows('select id, a from item order by id')).toEqual([
      ['1', '1'],
      ['2', '2'],
    ]);
    expect(await fixture.rows('select id, item from child')).toEqual([
      ['5', '1'],
    ]);
  });

  test('a child keeps its parent from leaving a key to which no row of the circle comes', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql('create table item (id int primary key, a int)');
    await fixture.sql(
      'create table child (id int primary key, item int, foreign key (item) references item (id))',
    );
    await fixture.sql('insert into item values (1, 1)');
    await fixture.sql('insert into child values (5, 1)');
    expect((await failureOf(swap(fixture))).code).toBe('E4004');
    expect(await fixture.rows('select id from item')).toEqual([['1']]);
  });
});
