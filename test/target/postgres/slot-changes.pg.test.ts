/** What PostgreSQL alone has: how tables are emptied, and what equals what. */
import { describe, expect, test } from 'vitest';
import type { JsonText } from '../../../src/mutation/mutation.ts';
import type {
  Target,
  TargetTransaction,
  TableShape,
} from '../../../src/target/target.ts';
import {
  applyTo,
  failureOf,
  type Row,
  row,
  rowsOf,
  shapeOf,
  transact,
} from '../../contract/target-fixture.ts';
import { type PostgresFixture, postgresFixture } from './fixture.ts';
import { textValues } from '../../../src/target/row-values.ts';

async function tableOf(
  fixture: PostgresFixture,
  name: string,
): Promise<TableShape> {
  return (await shapeOf(fixture)).tables.get(name)!;
}

const move = (
  transaction: TargetTransaction,
  table: TableShape,
  from: string,
  to: string,
): Promise<void> =>
  transaction.moveKeys({
    table,
    from: [[from as JsonText]],
    to: [[to as JsonText]],
    rowCount: 1,
  });

/** A target whose account has only these privileges on the tables. */
async function targetWith(
  fixture: PostgresFixture,
  privileges: string,
): Promise<Target> {
  const role = `${fixture.database.name}_writer`;
  await fixture.sql(`create role ${role} login password 'secret'`);
  await fixture.sql(
    `grant ${privileges} on all tables in schema public to ${role}`,
  );
  const url = new URL(fixture.url);
  url.username = role;
  url.password = 'secret';
  return fixture.reopen({ url: url.href });
}

describe('emptying tables', () => {
  test('an account without the privilege to truncate deletes the rows', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table item (id int8 primary key)');
    await fixture.sql('insert into item values (1), (2)');
    await using target = await targetWith(fixture, 'select, delete');
    const table = await tableOf(fixture, 'item');
    await using transaction = await target.begin();
    await transaction.truncate([table], true);
    await transaction.commit(null);
    expect(await fixture.rows('select id from item')).toEqual([]);
  });

  test('an account that may not even delete is refused', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table item (id int8 primary key)');
    await fixture.sql('insert into item values (1)');
    await using target = await targetWith(fixture, 'select, insert');
    const table = await tableOf(fixture, 'item');
    await using transaction = await target.begin();
    const failure = await failureOf(transaction.truncate([table], false));
    expect([failure.code, failure.disposition]).toEqual(['E4007', 'halt']);
    expect(await fixture.rows('select id from item')).toEqual([['1']]);
  });

  test('a table is emptied without those that inherit from it, and with its partitions', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table item (id int8 primary key)');
    await fixture.sql('create table special () inherits (item)');
    await fixture.sql('insert into item values (1)');
    await fixture.sql('insert into special values (2)');
    await fixture.sql(
      'create table entry (id int8 primary key) partition by range (id)',
    );
    await fixture.sql(
      'create table entry_low partition of entry for values from (0) to (100)',
    );
    await fixture.sql('insert into entry values (1), (99)');
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.truncate(
        [tables.get('item')!, tables.get('entry')!],
        false,
      );
    });
    expect(await fixture.rows('select id from item')).toEqual([['2']]);
    expect(await fixture.rows('select id from entry')).toEqual([]);
  });

  test('a table whose foreign keys wait for the commit is emptied behind its writes', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table item (id int8 primary key)');
    await fixture.sql(
      'create table child (id int8 primary key, item int8 references item deferrable)',
    );
    await transact(fixture, async (transaction, { tables }) => {
      const child = tables.get('child')!;
      await transaction.upsert(rowsOf(child, [{ id: '1', item: '7' }]));
      await transaction.truncate([child], false);
    });
    expect(await fixture.rows('select id from child')).toEqual([]);
  });

  test('a statement behind it may be under way already, and sees empty tables', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table item (id int8 primary key)');
    await fixture.sql('create table child (item int8 references item)');
    await fixture.sql('insert into item values (1)');
    await transact(fixture, async (transaction, { tables }) => {
      const item = tables.get('item')!;
      // TRUNCATE is refused for the sake of child, which has no rows.
      await Promise.all([
        transaction.truncate([item], false),
        transaction.upsert(rowsOf(item, [{ id: '2' }])),
      ]);
    });
    expect(await fixture.rows('select id from item')).toEqual([['2']]);
  });
});

describe('moving keys', () => {
  test('a row whose key is always an identity goes and comes back', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(
      `create table item (id int8 generated always as identity primary key, n int8, twice int8 generated always as (n * 2) stored)`,
    );
    await fixture.sql('insert into item (n) values (10), (20)');
    await transact(fixture, async (transaction, { tables }) => {
      await move(transaction, tables.get('item')!, '1', '7');
    });
    expect(await fixture.rows('select * from item order by id')).toEqual([
      ['2', '20', '40'],
      ['7', '10', '20'],
    ]);
  });

  test('it stays, and is refused, where its children would go with it', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(
      'create table item (id int8 generated always as identity primary key)',
    );
    await fixture.sql(
      'create table child (item int8 references item on delete cascade)',
    );
    await fixture.sql('insert into item default values');
    await fixture.sql('insert into child values (1)');
    await transact(fixture, async (transaction, { tables }) => {
      await move(transaction, tables.get('item')!, '5', '6');
    });
    const failure = await failureOf(
      transact(fixture, async (transaction, { tables }) => {
        await move(transaction, tables.get('item')!, '1', '7');
      }),
    );
    expect(failure.code).toBe('E4005');
    expect(await fixture.rows('select id, item from item, child')).toEqual([
      ['1', '1'],
    ]);
  });
});

describe('moving keys that others refer to', () => {
  /** A parent gets another key, and with it a child, whose key holds it. */
  async function moveFamily(
    fixture: PostgresFixture,
    onUpdate: string,
  ): Promise<void> {
    await fixture.sql(
      'create table item (id int8 primary key, a text, b text)',
    );
    await fixture.sql(
      `create table child (item int8 references item ${onUpdate}, n int8, a text, b text, primary key (item, n))`,
    );
    await fixture.sql(`insert into item values (1, 'a', 'b')`);
    await fixture.sql(`insert into child values (1, 7, 'a', 'b')`);
    const gone = row(1, [1], null);
    const childGone = row(1, [1, 7], null);
    await applyTo(fixture, {
      child: [
        {
          ...row(1, [2, 7], { item: '2', n: '7', a: '"A"' }),
          movedFrom: childGone.key,
        },
        childGone,
      ],
      item: [
        { ...row(1, [2], { id: '2', b: '"B"' }), movedFrom: gone.key },
        gone,
      ],
    });
  }

  test.each(['on update cascade', 'deferrable'])(
    'parents and children move together where the foreign key is %s',
    async (onUpdate) => {
      await using fixture = await postgresFixture();
      await moveFamily(fixture, onUpdate);
      expect(await fixture.rows('select * from item')).toEqual([
        ['2', 'a', 'B'],
      ]);
      expect(await fixture.rows('select * from child')).toEqual([
        ['2', '7', 'A', 'b'],
      ]);
    },
  );

  test('a foreign key that neither cascades nor waits refuses the move', async () => {
    await using fixture = await postgresFixture();
    const failure = await failureOf(moveFamily(fixture, ''));
    expect([failure.code, failure.disposition]).toEqual(['E4004', 'defer']);
    expect(await fixture.rows('select item from child')).toEqual([['1']]);
  });
});

describe('keys that pass in a circle', () => {
  const swap = (
    transaction: TargetTransaction,
    table: TableShape,
  ): Promise<void> =>
    transaction.moveKeys({
      table,
      from: [['1', '2'] as JsonText[]],
      to: [['2', '1'] as JsonText[]],
      rowCount: 2,
    });

  async function openFamily(
    key: string,
    reference: string,
  ): Promise<PostgresFixture> {
    const fixture = await postgresFixture();
    await fixture.sql(`create table item (id int8 ${key}, a text)`);
    await fixture.sql(
      `create table child (id int8 primary key, item int8 ${reference})`,
    );
    await fixture.sql(`insert into item values (1, 'one'), (2, 'two')`);
    await fixture.sql('insert into child values (5, 1)');
    return fixture;
  }

  test.each(['', 'deferrable', 'on update cascade'])(
    'children stay with the key where their foreign key is no action %s',
    async (rule) => {
      await using fixture = await openFamily(
        'primary key',
        `references item ${rule}`,
      );
      await transact(fixture, async (transaction, { tables }) => {
        await swap(transaction, tables.get('item')!);
      });
      expect(await fixture.rows('select * from item order by id')).toEqual([
        ['1', 'two'],
        ['2', 'one'],
      ]);
      expect(await fixture.rows('select * from child')).toEqual([['5', '1']]);
    },
  );

  test('rows that refer to one another keep what they refer to', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(
      'create table item (id int8 primary key, up int8 not null references item)',
    );
    await fixture.sql('insert into item values (1, 2), (2, 2)');
    await transact(fixture, async (transaction, { tables }) => {
      await swap(transaction, tables.get('item')!);
    });
    expect(await fixture.rows('select * from item order by id')).toEqual([
      ['1', '2'],
      ['2', '2'],
    ]);
  });

  test('are refused where children would go with the rows, and all stays as it is', async () => {
    await using fixture = await openFamily(
      'primary key',
      'references item on delete cascade',
    );
    const failure = await failureOf(
      transact(fixture, async (transaction, { tables }) => {
        await swap(transaction, tables.get('item')!);
      }),
    );
    expect([failure.code, failure.message]).toEqual([
      'E4013',
      expect.stringContaining('passed their keys'),
    ]);
    expect(
      await fixture.rows(
        'select i.id, a, c.id from item i left join child c on item = i.id order by 1',
      ),
    ).toEqual([
      ['1', 'one', '5'],
      ['2', 'two', null],
    ]);
    await fixture.sql('delete from item');
    await transact(fixture, async (transaction, { tables }) => {
      await swap(transaction, tables.get('item')!);
    });
  });

  test('are updated where a trigger would see rows go, and the key waits for the commit', async () => {
    await using fixture = await openFamily('primary key deferrable', '');
    await fixture.sql(
      `create function refuse() returns trigger language plpgsql as 'begin raise exception ''gone''; end'`,
    );
    await fixture.sql(
      'create trigger kept before delete on item for each row execute function refuse()',
    );
    await transact(fixture, async (transaction, { tables }) => {
      await swap(transaction, tables.get('item')!);
    });
    expect(await fixture.rows('select * from item order by id')).toEqual([
      ['1', 'two'],
      ['2', 'one'],
    ]);
  });

  test('may be computed in part, and of any type', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(
      `create table item (id int8, tenth int8 generated always as (id / 10) stored, code char(3), day timestamptz, doc xml, at point, primary key (tenth, day, id, code))`,
    );
    await fixture.sql(
      `insert into item values (10, default, 'a', '2024-01-01 00:00Z', '<a/>', '(1,2)'), (20, default, 'b', '2024-01-02 00:00Z', null, null)`,
    );
    const keys = [
      ['1', '"2024-01-01T00:00:00Z"', '10', '"a"'],
      ['2', '"2024-01-02T00:00:00Z"', '20', '"b"'],
    ] as JsonText[][];
    const side = (rows: readonly JsonText[][]): JsonText[][] =>
      keys[0]!.map((_, place) => rows.map((each) => each[place]!));
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.moveKeys({
        table: tables.get('item')!,
        from: side(keys),
        to: side(keys.toReversed()),
        rowCount: 2,
      });
    });
    expect(
      await fixture.rows(
        'select id, tenth, code, doc, at from item order by id',
      ),
    ).toEqual([
      ['10', '1', 'a  ', null, null],
      ['20', '2', 'b  ', '<a/>', '(1,2)'],
    ]);
  });
});

describe('rows without a key', () => {
  async function deleteEqual(
    fixture: PostgresFixture,
    rows: readonly Row[],
  ): Promise<void> {
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.deleteEqual(rowsOf(tables.get('entry')!, rows));
    });
  }

  test('rows of two partitions lie at one place each, and only the equal ones go', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(
      'create table entry (n int8, a text) partition by list (n)',
    );
    for (const n of [1, 2]) {
      await fixture.sql(
        `create table entry_${n} partition of entry for values in (${n})`,
      );
    }
    await fixture.sql(`insert into entry values (1, 'x'), (2, 'x'), (2, 'x')`);
    await deleteEqual(fixture, [{ n: '2', a: '"x"' }]);
    expect(await fixture.rows('select n, a from entry order by n')).toEqual([
      ['1', 'x'],
      ['2', 'x'],
    ]);
  });

  test('rows of tables that inherit are left alone', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table entry (n int8)');
    await fixture.sql('create table special () inherits (entry)');
    await fixture.sql('insert into special values (1)');
    await deleteEqual(fixture, [{ n: '1' }]);
    expect(await fixture.rows('select n from entry')).toEqual([['1']]);
  });

  test('rows are found whatever the types of their columns, and near ones are not', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(`create type mood as enum ('good', 'bad')`);
    await fixture.sql(`create type pair as (a int4, b text)`);
    await fixture.sql(`create domain amount as numeric(10,2) not null`);
    await fixture.sql(`create domain label as varchar(20)`);
    await fixture.sql(
      `create collation no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
    );
    /** Type, a value, and one that its own `=` may take for the same. */
    const types: readonly (readonly [string, string, string])[] = [
      ['bool', 'true', 'false'],
      ['int2', '1', '2'],
      ['numeric', '1.50', '1.51'],
      ['amount', '1.5', '1.51'],
      ['label', '"a"', '"A"'],
      ['float8', '0.1', '0.2'],
      ['text', '"a"', '"a "'],
      ['text collate no_case', '"a"', '"A"'],
      ['varchar(9)', '"a"', '"a "'],
      ['char(3)', '"a"', '"b"'],
      ['bytea', '"\\\\x00ff"', '"\\\\x00fe"'],
      [
        'uuid',
        '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"',
        '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12"',
      ],
      ['date', '"2024-02-29"', '"2024-02-28"'],
      [
        'timestamptz',
        '"2024-02-29T12:00:00.123456Z"',
        '"2024-02-29T12:00:00.123457Z"',
      ],
      ['timetz', '"12:00:00+02"', '"11:00:00+01"'],
      ['interval', '"1 mon"', '"30 days"'],
      ['json', '{"a": [1, null]}', '{"a": [1, 2]}'],
      ['jsonb', '{"a": [1, null]}', '{"a": [1, 2]}'],
      ['xml', '"<a>1</a>"', '"<a>2</a>"'],
      ['point', '"(1,2)"', '"(1,3)"'],
      ['box', '"(2,2),(0,0)"', '"(4,1),(0,0)"'],
      ['circle', '"<(0,0),1>"', '"<(5,5),1>"'],
      ['path', '"[(0,0),(1,1)]"', '"[(0,0),(2,2)]"'],
      ['polygon', '"((0,0),(1,1),(1,0))"', '"((0,0),(1,1),(2,0))"'],
      ['mood', '"good"', '"bad"'],
      ['pair', '{"a": 1, "b": "x, \\"y\\""}', '{"a": 1, "b": "x"}'],
      ['int4[]', '[1, null, 3]', '[1, 2, 3]'],
      ['text[]', '["a,b", "c\\"d", null]', '["a,b", "c\\"d", "null"]'],
      ['int4range', '"[1,5)"', '"[1,6)"'],
      ['inet', '"10.0.0.1/8"', '"10.0.0.1/9"'],
      ['macaddr', '"08:00:2b:01:02:03"', '"08:00:2b:01:02:04"'],
      ['bit(3)', '"101"', '"100"'],
      ['tsvector', `"'a':1"`, `"'a':2"`],
      ['money', '"12.34"', '"12.35"'],
    ];
    const name = (place: number): string => `c${place}`;
    for (const nullability of ['', ' not null']) {
      await fixture.sql('drop table if exists entry');
      await fixture.sql(
        `create table entry (${types.map(([type], place) => `${name(place)} ${type}${nullability}`).join(', ')})`,
      );
      const same: Row = Object.fromEntries(
        types.map(([, value], place) => [name(place), value]),
      );
      const near = types.map(([, , value], place) => ({
        ...same,
        [name(place)]: value,
      }));
      await transact(fixture, async (transaction, { tables }) => {
        await transaction.insert(
          rowsOf(tables.get('entry')!, [same, same, ...near]),
        );
      });
      await deleteEqual(fixture, [same, same, same]);
      expect(await fixture.rows('select count(*) from entry')).toEqual([
        [String(near.length)],
      ]);
      for (const each of near) {
        await deleteEqual(fixture, [each]);
      }
      expect(await fixture.rows('select * from entry')).toEqual([]);
    }
  });

  test('a column that the target computes is no matter', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(
      'create table entry (n int8, twice int8 generated always as (n * 2) stored, id int8 generated always as identity)',
    );
    const rows = [{ n: '1', id: '40' }];
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.insert(rowsOf(tables.get('entry')!, rows));
    });
    expect(await fixture.rows('select * from entry')).toEqual([
      ['1', '2', '40'],
    ]);
    await deleteEqual(fixture, rows);
    expect(await fixture.rows('select * from entry')).toEqual([]);
  });

  test('rows of which no column is at the target are refused', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table entry (n int8)');
    await fixture.sql('insert into entry values (1)');
    const failure = await failureOf(
      transact(fixture, async (transaction, { tables }) => {
        await transaction.deleteEqual({
          table: tables.get('entry')!,
          columns: [],
          values: textValues([], 1),
          rowCount: 1,
        });
      }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4012', 'halt']);
    expect(await fixture.rows('select n from entry')).toEqual([['1']]);
  });
});
