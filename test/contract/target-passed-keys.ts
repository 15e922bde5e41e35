/** Cases of the target contract: rows that pass keys to one another. */
import { expect } from 'vitest';
import { movesOf, rekeyed } from './target-slot-changes.ts';
import {
  type RegisterCase,
  type TargetFixture,
  applyTo,
  row,
  transact,
} from './target-fixture.ts';

export function registerPassedKeysCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  /** Rows with a large value, another unique key, and columns of the target alone. */
  async function openItems(ids: readonly number[]): Promise<TargetFixture> {
    const fixture = await open();
    const { integer, text, shortText, generated } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} not null primary key, a ${text}, code ${integer} not null unique, note ${shortText(20)} default 'none', twice ${generated(integer, 'code * 2')})`,
    );
    await applyTo(fixture, {
      item: ids.map((id) =>
        row(1, [id], { id: `${id}`, a: `"${large(id)}"`, code: `${id}` }),
      ),
    });
    for (const id of ids) {
      await fixture.sql(`update item set note = 'n${id}' where id = ${id}`);
    }
    return fixture;
  }

  const large = (id: number): string => `${id} `.repeat(5000);

  /** Where each row stands that had this id. */
  async function expectPlaces(
    fixture: TargetFixture,
    places: readonly (readonly [number, number])[],
  ): Promise<void> {
    expect(
      await fixture.rows(
        'select id, a, code, note, twice from item order by id',
      ),
    ).toEqual(
      places
        .toSorted(([, a], [, b]) => a - b)
        .map(([from, to]) => [
          `${to}`,
          large(from),
          `${from}`,
          `n${from}`,
          `${from * 2}`,
        ]),
    );
  }

  test('passes keys between rows in one call, in circles and beside them', async () => {
    const ids = [1, 2, 3, 4, 5, 6, 7, 9];
    await using fixture = await openItems(ids);
    const places: [number, number][] = [
      [1, 2],
      [2, 1],
      [3, 4],
      [6, 7],
      [7, 8],
      [4, 5],
      [5, 3],
    ];
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.moveKeys(
        movesOf(
          tables.get('item')!,
          places.map(([from, to]) => [[`${from}`], [`${to}`]]),
        ),
      );
    });
    await expectPlaces(fixture, [...places, [9, 9]]);
  });

  test('passes keys in a circle of which a row is missing', async () => {
    await using fixture = await openItems([1, 2]);
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.moveKeys(
        movesOf(tables.get('item')!, [
          [['1'], ['2']],
          [['2'], ['3']],
          [['3'], ['1']],
        ]),
      );
    });
    await expectPlaces(fixture, [
      [1, 2],
      [2, 3],
    ]);
  });

  test('passes keys of several columns in a circle', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (n ${integer}, tenant ${shortText(20)} not null, id ${integer} not null, primary key (id, tenant))`,
    );
    for (const values of [`1, 'a', 1`, `2, 'b', 1`, `3, 'it''s "c"', 2`]) {
      await fixture.sql(`insert into item values (${values})`);
    }
    const keys = [
      ['1', '"a"'],
      ['1', '"b"'],
      ['2', '"it\'s \\"c\\""'],
    ] as const;
    await transact(fixture, async (transaction, { tables }) => {
      await transaction.moveKeys(
        movesOf(tables.get('item')!, [
          [keys[0], keys[1]],
          [keys[1], keys[2]],
          [keys[2], keys[0]],
        ]),
      );
    });
    expect(
      await fixture.rows('select n, id, tenant from item order by n'),
    ).toEqual([
      ['1', '1', 'b'],
      ['2', '2', `it's "c"`],
      ['3', '1', 'a'],
    ]);
  });

  test('applies rows at the target that swap their keys, and keeps what is not sent', async () => {
    const ids = [1, 2, 3, 6, 7];
    for (const collapse of [true, false]) {
      for (const order of ['upserts-first', 'deletes-first'] as const) {
        await using fixture = await openItems(ids);
        // Each row with its code, which tells where it comes from.
        const changes = [
          [6, 6, 0],
          [7, 7, 6],
          [6, 0, 7],
          [3, 3, 4],
          [1, 1, 0],
          [2, 2, 3],
          [2, 3, 1],
          [1, 0, 2],
        ].flatMap(([code, from, to]) =>
          rekeyed(1, [[from], [to]], { id: `${to}`, code: `${code}` }),
        );
        await applyTo(fixture, { item: changes }, { collapse, order });
        await expectPlaces(fixture, [
          [6, 7],
          [7, 6],
          [3, 4],
          [1, 2],
          [2, 1],
        ]);
      }
    }
  });
}
