import { describe, expect, test } from 'vitest';
import { type Mutation, truncation } from '../../../src/mutation/mutation.ts';
import { foldTable } from '../../../src/target/apply/folded-table.ts';
import type { KeyMove } from '../../../src/target/row-shape.ts';
import { at, keyless, row } from '../../contract/target-fixture.ts';
import { column, tableShape } from '../postgres/shapes.ts';

const item = tableShape('item', [
  column('id', 'pg_catalog.int8', { keyOrdinal: 0, nullable: false }),
  column('a', 'pg_catalog.text'),
  column('b', 'pg_catalog.text'),
]);
const entry = tableShape('entry', [column('n', 'pg_catalog.int8')]);

const moved = (from: number, to: number): Mutation[] => {
  const gone = row(1, [from], null);
  return [{ ...row(1, [to], { id: String(to) }), movedFrom: gone.key }, gone];
};

const printed = (moves: readonly KeyMove[]): string[] =>
  moves.map(({ from, to }) => `${from}${to}`);

const wavesOf = (mutations: readonly Mutation[]): string[][] =>
  foldTable(
    { table: item, mutations },
    { ignoreUnknownColumns: false },
  ).moveWaves.map(printed);

describe('moves of keys', () => {
  test('go together where none is in the way of another', () => {
    expect(wavesOf([...moved(1, 5), ...moved(2, 6)])).toEqual([
      ['[1][5]', '[2][6]'],
    ]);
  });

  test('wait for what stands at their key to move on, whichever changed last', () => {
    expect(
      wavesOf([
        ...moved(3, 4),
        ...moved(2, 3),
        ...moved(1, 2),
        row(1, [3], { id: '3', a: '"later"' }),
        row(1, [4], { id: '4', a: '"still later"' }),
      ]),
    ).toEqual([['[3][4]'], ['[2][3]'], ['[1][2]']]);
  });

  test('in a circle are one step, and rows of moves beside it are not', () => {
    const { freed, moveCircles, moveWaves } = foldTable(
      {
        table: item,
        mutations: [
          ...moved(1, 9),
          ...moved(2, 1),
          ...moved(9, 2),
          ...moved(4, 8),
          ...moved(5, 4),
          ...moved(6, 5),
          ...moved(8, 6),
          ...moved(30, 31),
          ...moved(20, 30),
        ],
      },
      { ignoreUnknownColumns: false },
    );
    expect(freed).toEqual([]);
    expect(moveWaves.map(printed)).toEqual([['[30][31]'], ['[20][30]']]);
    expect(moveCircles.map((circle) => printed(circle).toSorted())).toEqual(
      [
        ['[4][6]', '[5][4]', '[6][5]'],
        ['[1][2]', '[2][1]'],
      ].toReversed(),
    );
  });

  test('free the key of a row that is gone, and not that of one that moves on', () => {
    const { freed, deleted } = foldTable(
      {
        table: item,
        mutations: [
          row(1, [8], null),
          ...moved(1, 8),
          ...moved(2, 9),
          ...moved(3, 2),
        ],
      },
      { ignoreUnknownColumns: false },
    );
    expect(freed).toEqual(['[8]']);
    expect(deleted.toSorted()).toEqual(['[1]', '[3]']);
  });
});

test('a table without a primary key is written and deleted by whole rows, and counted', () => {
  const folded = foldTable(
    {
      table: entry,
      mutations: [
        truncation(at(0), true),
        keyless(1, 'insert', { n: '1' }),
        keyless(1, 'insert', { n: '1' }),
      ],
    },
    { ignoreUnknownColumns: false },
  );
  expect(folded).toMatchObject({
    emptied: { restartsIdentity: true },
    rows: [],
    inserted: [{ rowCount: 2, values: { texts: [['1', '1']] } }],
    upsertCount: 2,
    deleteCount: 0,
  });
  expect(
    foldTable(
      { table: entry, mutations: [keyless(1, 'delete', { n: '2' })] },
      {
        ignoreUnknownColumns: false,
      },
    ),
  ).toMatchObject({
    emptied: null,
    inserted: [],
    deletedRows: [{ rowCount: 1, values: { texts: [['2']] } }],
    upsertCount: 0,
    deleteCount: 1,
  });
});

test('values that were released come again, the same', () => {
  let decodings = 0;
  const { rows } = foldTable(
    {
      table: item,
      get mutations() {
        decodings += 1;
        return [
          row(1, [1], { id: '1', a: '"one"' }),
          row(1, [2], { id: '2', b: '"two"' }),
          row(2, [1], { id: '1', a: '"three"' }),
        ];
      },
    },
    { ignoreUnknownColumns: false },
  );
  const values = rows.map((each) => each.values.texts);
  expect(values.map(String).toSorted()).toEqual(['1,"three"', '2,"two"']);
  expect(decodings).toBe(1);
  for (const each of rows) {
    each.values.release();
  }
  expect(rows.map((each) => each.values.texts)).toEqual(values);
  expect(decodings).toBe(3);
});
