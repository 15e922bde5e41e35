/** Cases of the target contract: tables that are emptied, rows that get another key. */
import { expect } from 'vitest';
import {
  type JsonText,
  type Mutation,
  truncation,
} from '../../src/mutation/mutation.ts';
import type {
  ColumnShape,
  KeyMoves,
  TableShape,
} from '../../src/target/target.ts';
import {
  type RegisterCase,
  type Row,
  type TargetFixture,
  applyTo,
  at,
  failureOf,
  keyless,
  row,
  rowsOf,
  shapeOf,
  transact,
} from './target-fixture.ts';

/** `[from, to]`, each in the order of the key. */
export function movesOf(
  table: TableShape,
  moves: readonly (readonly [readonly string[], readonly string[]])[],
): KeyMoves {
  const keys = (side: 0 | 1): JsonText[][] =>
    table.primaryKey.map((_: ColumnShape, place) =>
      moves.map((move) => move[side][place] as JsonText),
    );
  return { table, from: keys(0), to: keys(1), rowCount: moves.length };
}

/** What a change of a key is: the row at its new key, and none at the old one. */
export function rekeyed(
  second: number,
  [from, to]: readonly [readonly unknown[], readonly unknown[]],
  after: Row,
): Mutation[] {
  const gone = row(second, from, null);
  return [{ ...row(second, to, after), movedFrom: gone.key }, gone];
}

export function registerSlotChangesCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  registerMoves(open, test);
  registerTruncations(open, test);
  registerBatches(open, test);
}

function registerMoves(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  test('gives rows another key and leaves the rest of them as it is', async () => {
    await using fixture = await open();
    const { integer, text, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, a ${text}, b ${shortText(20)})`,
    );
    await applyTo(fixture, {
      item: [1, 2, 3].map((id) =>
        row(1, [id], { id: `${id}`, a: `"a${id}"`, b: `"b${id}"` }),
      ),
    });
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.moveKeys(
        movesOf(tables.get('item')!, [
          [['1'], ['11']],
          [['9'], ['19']],
          [['3'], ['13']],
        ]),
      );
    });
    expect(await fixture.rows('select id, a, b from item order by id')).toEqual(
      [
        ['2', 'a2', 'b2'],
        ['11', 'a1', 'b1'],
        ['13', 'a3', 'b3'],
      ],
    );
  });

  test('gives rows with a key of several columns another one', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (tenant ${shortText(20)} not null, id ${integer} not null, n ${integer}, primary key (id, tenant))`,
    );
    for (const values of [`'a', 1, 1`, `'b', 1, 2`, `'a', 2, 3`]) {
      await fixture.sql(`insert into item values (${values})`);
    }
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.moveKeys(
        movesOf(tables.get('item')!, [
          [
            ['1', '"a"'],
            ['5', '"a"'],
          ],
          [
            ['2', '"a"'],
            ['2', '"it\'s \\"c\\""'],
          ],
          [
            ['2', '"b"'],
            ['7', '"b"'],
          ],
        ]),
      );
    });
    expect(
      await fixture.rows('select id, tenant, n from item order by n'),
    ).toEqual([
      ['5', 'a', '1'],
      ['1', 'b', '2'],
      ['2', `it's "c"`, '3'],
    ]);
  });

  test('gives a row another key, and its children with it where they cascade', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, n ${integer})`,
    );
    await fixture.sql(
      `create table child (id ${integer} primary key, item ${integer}, foreign key (item) references item (id) on update cascade)`,
    );
    await fixture.sql('insert into item values (1, 10)');
    await fixture.sql('insert into child values (5, 1)');
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.moveKeys(
        movesOf(tables.get('item')!, [[['1'], ['2']]]),
      );
    });
    expect(await fixture.rows('select id, n from item')).toEqual([['2', '10']]);
    expect(await fixture.rows('select id, item from child')).toEqual([
      ['5', '2'],
    ]);
  });
}

function registerTruncations(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  /** A parent with a child, one row in each, and one row beside them. */
  async function openFamily(): Promise<TargetFixture> {
    const fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(`create table item (id ${integer} primary key)`);
    await fixture.sql(
      `create table child (id ${integer} primary key, item ${integer}, foreign key (item) references item (id))`,
    );
    await fixture.sql(`create table other (id ${integer} primary key)`);
    await fixture.sql('insert into item values (1)');
    await fixture.sql('insert into child values (1, 1)');
    await fixture.sql('insert into other values (1)');
    return fixture;
  }

  test('empties a parent and its children', async () => {
    await using fixture = await openFamily();
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.truncate(
        [tables.get('child')!, tables.get('item')!],
        false,
      );
    });
    expect(await fixture.rows('select id from item')).toEqual([]);
    expect(await fixture.rows('select id from child')).toEqual([]);
    expect(await fixture.rows('select id from other')).toEqual([['1']]);
  });

  test('writes rows into a table that the same transaction has emptied', async () => {
    await using fixture = await openFamily();
    await transact(fixture, async (transaction, { tables }) => {
      const other = tables.get('other')!;
      await transaction.truncate([other], false);
      await transaction.upsert(rowsOf(other, [{ id: '2' }]));
    });
    expect(await fixture.rows('select id from other')).toEqual([['2']]);
  });

  test('empties a table without a key', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(`create table entry (n ${integer})`);
    await fixture.sql('insert into entry values (1)');
    await fixture.sql('insert into entry values (1)');
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.truncate([tables.get('entry')!], false);
    });
    expect(await fixture.rows('select n from entry')).toEqual([]);
  });

  test('empties tables whose rows refer to one another', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, next_item ${integer}, foreign key (next_item) references item (id))`,
    );
    await fixture.sql('insert into item values (1, null)');
    await fixture.sql('insert into item values (2, 1)');
    await fixture.sql('update item set next_item = 2 where id = 1');
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.truncate([tables.get('item')!], false);
    });
    expect(await fixture.rows('select id from item')).toEqual([]);
  });

  test('starts the numbers of an emptied table again where it is asked to', async () => {
    await using fixture = await open();
    const { integer, shortText, identityByDefault } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} ${identityByDefault} primary key, name ${shortText(9)})`,
    );
    const add = () => fixture.sql(`insert into item (name) values ('x')`);
    // Only the owner may do so; for others the numbers go on.
    const { ownerUrl } = fixture;
    await using target = await fixture.reopen(
      ownerUrl ? { url: ownerUrl } : {},
    );
    const empty = (restartIdentity: boolean) =>
      transact({ ...fixture, target }, async (transaction, { tables }) => {
        await transaction.truncate([tables.get('item')!], restartIdentity);
      });
    await add();
    await add();
    await empty(false);
    await add();
    expect(await fixture.rows('select id from item')).toEqual([['3']]);
    await empty(true);
    await add();
    expect(await fixture.rows('select id from item')).toEqual([['1']]);
  });

  test('a table that was emptied is as before when the transaction rolls back', async () => {
    await using fixture = await openFamily();
    const { tables } = await shapeOf(fixture);
    {
      await using transaction = await fixture.target.begin();
      await transaction.truncate(
        [tables.get('child')!, tables.get('item')!],
        true,
      );
      await transaction.upsert(rowsOf(tables.get('item')!, [{ id: '2' }]));
    }
    expect(await fixture.rows('select id from item')).toEqual([['1']]);
    expect(await fixture.rows('select id, item from child')).toEqual([
      ['1', '1'],
    ]);
  });

  test('refuses to empty a table to which rows of another refer, and changes nothing', async () => {
    await using fixture = await openFamily();
    const failure = await failureOf(
      transact(fixture, async (transaction, { tables }) => {
        await transaction.upsert(rowsOf(tables.get('other')!, [{ id: '2' }]));
        await transaction.truncate([tables.get('item')!], false);
      }),
    );
    expect(failure.code).toMatch(/^E4\d{3}$/);
    expect(await fixture.rows('select id from item')).toEqual([['1']]);
    expect(await fixture.rows('select id, item from child')).toEqual([
      ['1', '1'],
    ]);
    expect(await fixture.rows('select id from other')).toEqual([['1']]);
  });

  test('empties a table to which no row of another refers', async () => {
    await using fixture = await openFamily();
    await fixture.sql('delete from child');
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.truncate([tables.get('item')!], false);
    });
    expect(await fixture.rows('select id from item')).toEqual([]);
  });
}

function registerBatches(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  test('applies a batch of emptied tables, moved keys and rows without a key', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, a ${shortText(20)}, b ${shortText(20)})`,
    );
    await fixture.sql(
      `create table child (id ${integer} primary key, item ${integer}, foreign key (item) references item (id))`,
    );
    await fixture.sql(
      `create table parcel (id ${integer} primary key, child ${integer}, foreign key (child) references child (id))`,
    );
    await fixture.sql(
      `create table entry (n ${integer}, name ${shortText(9)})`,
    );
    for (const collapse of [true, false]) {
      for (const table of ['parcel', 'child', 'item', 'entry']) {
        await fixture.sql(`delete from ${table}`);
      }
      for (const id of [1, 2, 3]) {
        await fixture.sql(`insert into item values (${id}, 'a', 'b')`);
      }
      await fixture.sql('insert into child values (1, 1)');
      await fixture.sql('insert into parcel values (1, 1)');
      for (const values of [`1, 'x'`, `1, 'x'`, `2, null`]) {
        await fixture.sql(`insert into entry values (${values})`);
      }
      const changes = {
        parcel: [
          row(1, [9], { id: '9', child: '1' }),
          truncation(at(2), false),
          row(3, [7], { id: '7', child: '5' }),
        ],
        child: [truncation(at(2), false), row(3, [5], { id: '5', item: '4' })],
        item: [
          row(1, [2], { id: '2', b: '"B"' }),
          ...rekeyed(3, [[2], [4]], { id: '4', a: '"A"' }),
          ...rekeyed(3, [[3], [5]], { id: '5', a: '"A"' }),
          ...rekeyed(4, [[5], [6]], { id: '6' }),
          row(4, [1], null),
        ],
        entry: [
          keyless(1, 'delete', { n: '1', name: '"x"' }),
          keyless(2, 'insert', { n: '3', name: '"z"' }),
          keyless(2, 'insert', { n: '3', name: '"z"' }),
          keyless(3, 'delete', { n: '2', name: 'null' }),
          keyless(4, 'delete', { n: '3', name: '"z"' }),
        ],
      };
      await applyTo(fixture, changes, { collapse });
      expect(
        await fixture.rows('select id, a, b from item order by id'),
      ).toEqual([
        ['4', 'A', 'B'],
        ['6', 'A', 'b'],
      ]);
      expect(await fixture.rows('select id, item from child')).toEqual([
        ['5', '4'],
      ]);
      expect(await fixture.rows('select id, child from parcel')).toEqual([
        ['7', '5'],
      ]);
      expect(
        await fixture.rows('select n, name from entry order by n'),
      ).toEqual([
        ['1', 'x'],
        ['3', 'z'],
      ]);
    }
  });

  test('passes keys on along a row of moves, and takes the key of a row that is gone', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, a ${shortText(20)}, b ${shortText(20)})`,
    );
    for (const id of [1, 2, 3, 8]) {
      await fixture.sql(`insert into item values (${id}, 'a${id}', 'b${id}')`);
    }
    await applyTo(fixture, {
      item: [
        ...rekeyed(1, [[3], [4]], { id: '4', a: '"A3"' }),
        ...rekeyed(1, [[2], [3]], { id: '3' }),
        ...rekeyed(1, [[1], [2]], { id: '2', a: '"A1"' }),
        row(1, [8], { id: '8', b: '"gone"' }),
        row(1, [8], null),
        ...rekeyed(1, [[3], [8]], { id: '8' }),
      ],
    });
    expect(await fixture.rows('select id, a, b from item order by id')).toEqual(
      [
        ['2', 'A1', 'b1'],
        ['4', 'A3', 'b3'],
        ['8', 'a2', 'b2'],
      ],
    );
  });
}
