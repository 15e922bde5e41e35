import { describe, expect, test } from 'vitest';
import type { JsonText } from '../../../src/mutation/mutation.ts';
import { deleteEqualStatement } from '../../../src/target/sqlserver/statements/equal-rows.ts';
import { rowsParameter } from '../../../src/target/sqlserver/values/values.ts';
import type { KeyMoves, TableShape } from '../../../src/target/target.ts';
import { refusingPolicies } from '../../../src/target/value-policy.ts';
import {
  failureOf,
  rowsOf,
  shapeOf,
  transact,
} from '../../contract/target-fixture.ts';
import { hasServer, isBabelfish, sqlserverFixture } from './fixture.ts';
import { textValues } from '../../../src/target/row-values.ts';

const here = describe.skipIf(!hasServer);
/** What Babelfish cannot show. */
const onSqlServerOnly = test.skipIf(isBabelfish);

function moves(
  table: TableShape,
  ...pairs: readonly (readonly [number, number])[]
): KeyMoves {
  const side = (place: 0 | 1): JsonText[][] => [
    pairs.map((pair) => String(pair[place]) as JsonText),
  ];
  return { table, from: side(0), to: side(1), rowCount: pairs.length };
}

here('keys of SQL Server', () => {
  // Babelfish checks unique keys row by row.
  onSqlServerOnly('pass between rows in one statement', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql('create table item (id bigint primary key, a nchar(3))');
    await fixture.sql(`insert into item values (1, 'a'), (2, 'b'), (3, 'c')`);
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.moveKeys(
        moves(tables.get('item')!, [1, 2], [2, 1], [3, 4]),
      );
    });
    expect(await fixture.rows('select id, a from item order by id')).toEqual([
      ['1', 'b  '],
      ['2', 'a  '],
      ['4', 'c  '],
    ]);
  });

  test('that are identity columns change with all that the row holds', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      `create table item (id bigint identity(1,1) primary key, a varchar(9) default 'd', b varbinary(9), c as (id * 2), d xml)`,
    );
    await fixture.sql('create table other (id int identity(1,1), n int)');
    await fixture.sql(
      `insert into item (a, b, d) values ('x', 0x4142, '<a/>'), (null, null, null), ('z', null, null)`,
    );
    await transact(fixture, async (transaction, { tables }) => {
      const [item, other] = [tables.get('item')!, tables.get('other')!];
      // The next statement comes before the one before it is answered.
      await Promise.all([
        transaction.moveKeys(moves(item, [1, 2], [2, 11], [7, 8])),
        transaction.insert(rowsOf(other, [{ id: '9', n: '1' }])),
        transaction.upsert(rowsOf(item, [{ id: '3', a: '"y"' }])),
        transaction.insert(rowsOf(other, [{ n: '2' }])),
      ]);
    });
    expect(
      await fixture.rows(
        'select id, a, cast(b as varchar(9)), c, cast(d as varchar(20)) from item order by id',
      ),
    ).toEqual([
      ['2', 'x', 'AB', '4', '<a/>'],
      ['3', 'y', null, '6', null],
      ['11', null, null, '22', null],
    ]);
    expect(await fixture.rows('select n from other order by n')).toEqual([
      ['1'],
      ['2'],
    ]);
  });

  test('that are identity columns do not change where rows are tied to them', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      'create table item (id bigint identity(1,1) primary key, n int)',
    );
    await fixture.sql(
      'create table child (id int primary key, item bigint references item (id) on delete cascade)',
    );
    await fixture.sql('insert into item (n) values (1), (2)');
    await fixture.sql('insert into child values (1, 1)');
    const failure = await failureOf(
      transact(fixture, async (transaction, { tables }) => {
        await transaction.moveKeys(moves(tables.get('item')!, [1, 5]));
      }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4005', 'set-aside']);
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.moveKeys(moves(tables.get('item')!, [2, 2], [7, 8]));
    });
    expect(await fixture.rows('select id from item order by id')).toEqual([
      ['1'],
      ['2'],
    ]);
    expect(await fixture.rows('select item from child')).toEqual([['1']]);
  });

  test('to which rows refer wait for these', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql('create table item (id bigint primary key)');
    await fixture.sql(
      'create table child (id int primary key, item bigint references item (id))',
    );
    await fixture.sql('insert into item values (1)');
    await fixture.sql('insert into child values (1, 1)');
    const failure = await failureOf(
      transact(fixture, async (transaction, { tables }) => {
        await transaction.moveKeys(moves(tables.get('item')!, [1, 2]));
      }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4004', 'defer']);
  });
});

here('rows of SQL Server without a key', () => {
  test('are found by what they hold, whatever the types', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      `create table entry (id int, a varchar(20), b nvarchar(max), c text, d ntext, e image, f varbinary(8), g xml, h decimal(12,4), i datetime2(6), j uniqueidentifier, k float, l char(4), m bit, n date)`,
    );
    const whole = {
      a: '"Name"',
      b: '"long"',
      c: '"text"',
      d: '"ntext"',
      e: String.raw`"\\x00ff"`,
      f: String.raw`"\\x0100"`,
      g: '"<a>  <b/></a>"',
      h: '1.50',
      i: '"2024-02-29T12:00:00.000001"',
      j: '"0b6f9f3c-0000-4000-8000-00000000000A"',
      k: '1.5e-3',
      l: '"x"',
      m: 'true',
      n: '"2024-02-29"',
    };
    const others = [
      { a: '"name"' },
      { a: '"Name "' },
      { a: 'null' },
      { b: '"lonG"' },
      { c: '"Text"' },
      { d: 'null' },
      { e: String.raw`"\\x00"` },
      { f: String.raw`"\\x01"` },
      { g: '"<a>  <c/></a>"' },
      { h: '1.5001' },
      { i: '"2024-02-29T12:00:00.000002"' },
      { j: 'null' },
      { k: '0' },
      { l: '"X"' },
      { m: 'false' },
      { n: 'null' },
    ];
    const nothing = Object.fromEntries(
      Object.keys(whole).map((name) => [name, 'null']),
    );
    const rows = [
      whole,
      whole,
      ...others.map((other) => ({ ...whole, ...other })),
      nothing,
    ].map((row, index) => ({ id: String(index), ...row }));
    const { tables } = await shapeOf(fixture);
    const table = tables.get('entry')!;
    await transact(fixture, (transaction) =>
      transaction.insert(rowsOf(table, rows)),
    );
    const found = async (
      given: readonly Readonly<Record<string, string>>[],
    ): Promise<number> => {
      const asked = rowsOf(table, given);
      const rowsText = rowsParameter(asked, refusingPolicies);
      // Babelfish deletes from no common table expression, but selects.
      const query = deleteEqualStatement(table, asked.columns).replace(
        '\ndelete from held\n',
        '\nselect place from held\n',
      );
      const answer = await fixture.rows(
        `declare @rows nvarchar(max) = N'${rowsText.replaceAll("'", "''")}';\n${query}`,
      );
      return answer.length;
    };
    expect(await found([whole])).toBe(1);
    expect(await found([whole, { ...whole, h: '1.5', k: '0.0015' }])).toBe(2);
    expect(await found([whole, whole, whole])).toBe(2);
    expect(await found([nothing, nothing])).toBe(1);
    expect(
      await found([nothing, ...others.map((o) => ({ ...whole, ...o }))]),
    ).toBe(others.length + 1);
    expect(await found([{ ...whole, a: '"else"' }])).toBe(0);
    expect(await found(rows)).toBe(rows.length);
    expect(await found([{ id: '1' }, { id: '99' }])).toBe(1);
  });

  onSqlServerOnly('go one for each that is given', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      'create table entry (n int, a nvarchar(9) collate Latin1_General_CI_AI, b xml, c geometry, d sql_variant)',
    );
    for (const n of [1, 1, 1, 2]) {
      await fixture.sql(
        `insert into entry (n, a, b) values (${n}, N'x', N'<a/>')`,
      );
    }
    await transact(fixture, async (transaction, { tables }) => {
      const row = {
        n: '1',
        a: '"x"',
        b: '"<a></a>"',
        c: 'null',
        d: 'null',
      };
      await transaction.deleteEqual(
        rowsOf(tables.get('entry')!, [
          row,
          { ...row, a: '"X"' },
          { ...row, n: '2' },
          row,
        ]),
      );
    });
    expect(await fixture.rows('select n from entry')).toEqual([['1']]);
  });

  test('that carry no column of the target are refused', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql('create table entry (n int)');
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
