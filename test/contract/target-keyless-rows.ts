/** Cases of the target contract: rows of tables without a primary key. */
import { expect } from 'vitest';
import {
  type RegisterCase,
  type Row,
  type TargetFixture,
  applyTo,
  failureOf,
  keyless,
  rowsOf,
  transact,
} from './target-fixture.ts';

export function registerKeylessRowsCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  test('inserts rows of a table without a key as often as they come', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table entry (n ${integer}, name ${shortText(20)}, given ${shortText(20)} default 'g')`,
    );
    await transact(fixture, async (transaction, { tables }) => {
      const table = tables.get('entry')!;
      expect(table.primaryKey).toEqual([]);
      await transaction.insert(
        rowsOf(table, [
          { n: '1', name: '"a"' },
          { n: '1', name: '"a"' },
          { n: 'null', name: 'null' },
        ]),
      );
    });
    expect(
      await fixture.rows('select n, name, given from entry order by name, n'),
    ).toEqual(
      expect.arrayContaining([
        ['1', 'a', 'g'],
        ['1', 'a', 'g'],
        [null, null, 'g'],
      ]),
    );
    expect(await fixture.rows('select count(*) from entry')).toEqual([['3']]);
  });

  test('deletes one of several equal rows for each that is given', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table entry (n ${integer}, name ${shortText(20)})`,
    );
    for (const values of [`1, 'a'`, `1, 'a'`, `1, 'a'`, `2, 'a'`, `1, 'b'`]) {
      await fixture.sql(`insert into entry values (${values})`);
    }
    const left = () =>
      fixture.rows('select n, name from entry order by n, name');
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.deleteEqual(
        rowsOf(tables.get('entry')!, [
          { n: '1', name: '"a"' },
          { n: '2', name: '"b"' },
        ]),
      );
    });
    expect(await left()).toEqual([
      ['1', 'a'],
      ['1', 'a'],
      ['1', 'b'],
      ['2', 'a'],
    ]);
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.deleteEqual(
        rowsOf(tables.get('entry')!, [
          { n: '1', name: '"a"' },
          { n: '2', name: '"a"' },
          { n: '1', name: '"a"' },
          { n: '1', name: '"a"' },
        ]),
      );
    });
    expect(await left()).toEqual([['1', 'b']]);
  });

  test('takes NULL for equal to NULL alone when it looks for a row without a key', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table entry (n ${integer}, name ${shortText(20)})`,
    );
    for (const values of [`1, null`, `null, 'a'`, `null, null`, `0, 'x'`]) {
      await fixture.sql(`insert into entry values (${values})`);
    }
    const left = () => fixture.rows('select n, name from entry order by n');
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.deleteEqual(
        rowsOf(tables.get('entry')!, [
          { n: '1', name: '"a"' },
          { n: '0', name: 'null' },
          { n: 'null', name: '"x"' },
        ]),
      );
    });
    expect(await left()).toHaveLength(4);
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.deleteEqual(
        rowsOf(tables.get('entry')!, [
          { n: '1', name: 'null' },
          { n: 'null', name: '"a"' },
          { n: 'null', name: 'null' },
        ]),
      );
    });
    expect(await left()).toEqual([['0', 'x']]);
  });

  test('tells rows without a key apart by columns of any type, letter by letter', async () => {
    await using fixture = await open();
    const { integer, text, shortText, decimal, json = text } = fixture.ddl;
    await fixture.sql(
      `create table entry (id ${integer}, name ${shortText(40)}, long_name ${text}, amount ${decimal}, doc ${json})`,
    );
    const entry = (id: number, more: Row = {}): Row => ({
      id: `${id}`,
      name: '"Name"',
      long_name: '"it\'s a\\tlong \\\\ name é 🐘"',
      amount: '12.5',
      doc: '{"a": [1, "x"], "b": null}',
      ...more,
    });
    const others = [
      entry(1, { name: '"name"' }),
      entry(1, { long_name: '"another"' }),
      entry(1, { amount: '12.25' }),
      entry(1, { doc: '{"a": [1, "y"], "b": null}' }),
      entry(2),
    ];
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.insert(
        rowsOf(tables.get('entry')!, [entry(1), entry(1), ...others]),
      );
    });
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.deleteEqual(
        rowsOf(tables.get('entry')!, [entry(1), entry(7), entry(1)]),
      );
    });
    expect(await fixture.rows('select count(*) from entry')).toEqual([['5']]);
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.deleteEqual(rowsOf(tables.get('entry')!, others));
    });
    expect(await fixture.rows('select id from entry')).toEqual([]);
  });

  test('a value that does not fit into a row without a key is refused, and nothing is written', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table entry (n ${integer}, code ${shortText(3)})`,
    );
    const failure = await failureOf(
      applyTo(fixture, {
        entry: [
          keyless(1, 'insert', { n: '1', code: '"ok"' }),
          keyless(1, 'insert', { n: '2', code: '"fits"' }),
        ],
      }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4006', 'set-aside']);
    expect(failure.line).not.toContain('fits');
    expect(await fixture.rows('select * from entry')).toEqual([]);
  });

  test('many rows without a key cross, and go again', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table entry (n ${integer}, name ${shortText(20)})`,
    );
    const rows = Array.from({ length: 1000 }, (_, place) => ({
      n: `${place % 250}`,
      name: `"row ${place % 250}"`,
    }));
    await applyTo(fixture, {
      entry: rows.map((values) => keyless(1, 'insert', values)),
    });
    expect(await fixture.rows('select count(*) from entry')).toEqual([
      ['1000'],
    ]);
    await applyTo(fixture, {
      entry: rows.slice(3).map((values) => keyless(2, 'delete', values)),
    });
    expect(await fixture.rows('select n from entry order by n')).toEqual([
      ['0'],
      ['1'],
      ['2'],
    ]);
  });
}
