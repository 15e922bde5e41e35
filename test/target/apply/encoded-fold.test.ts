import fc from 'fast-check';
import { expect, test } from 'vitest';
import { textHash } from '../../../src/lib/text-hash.ts';
import type { JsonText, Mutation } from '../../../src/mutation/mutation.ts';
import { splitBatch } from '../../../src/sequencer/ordering/split-batch.ts';
import {
  joinedBatch,
  tablesInShape,
} from '../../../src/sequencer/reading/batch-tables.ts';
import { encodeEntries } from '../../../src/staging/batch-codec.ts';
import { encodedRows } from '../../../src/staging/encoded-rows.ts';
import {
  encodedTable,
  joinedTable,
  tablesAsStaged,
} from '../../../src/staging/placed-rows.ts';
import {
  type FoldedTable,
  foldTable,
} from '../../../src/target/apply/folded-table.ts';
import { textValues } from '../../../src/target/row-values.ts';
import { at, schema, staged } from '../../contract/staging-place.ts';
import { column, tableShape } from '../postgres/shapes.ts';

const table = tableShape('item', [
  column('id', 'pg_catalog.int8', { keyOrdinal: 0, nullable: false }),
  column('a', 'pg_catalog.text'),
  column('b', 'pg_catalog.text'),
]);

const value = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.constantFrom('"', '{', 'ü', '\\'),
);

/** Sparse rows, rows without their key's column, blanks, names in any order, deletes. */
const mutation: fc.Arbitrary<Mutation> = fc
  .record({
    step: fc.nat(5),
    id: fc.nat(30),
    isDelete: fc.boolean(),
    members: fc.shuffledSubarray(['id', 'a', 'b']),
    text: value,
    indent: fc.constantFrom(0, 1),
  })
  .map(({ step, id, isDelete, members, text, indent }) => ({
    time: at(1, step),
    key: `[${id}]` as JsonText,
    after: isDelete
      ? null
      : (JSON.stringify(
          Object.fromEntries(
            members.map((name) => [name, name === 'id' ? id : text]),
          ),
          null,
          indent,
        ) as JsonText),
    before: null,
  }));

const uniqueTable = { ...table, uniqueKeys: [['a']] };

test.each([
  ['the rows', table],
  [
    'the rows in their order, where one may be in the way of another',
    uniqueTable,
  ],
])(
  'rows that are folded where they lie encoded: %s that decoded ones give',
  (_, shape) => {
    let cutCount = 0;
    fc.assert(
      fc.property(
        fc.array(mutation, { minLength: 1, maxLength: 12 }),
        (mutations) => {
          const [entry] = encodeEntries(schema, [{ table: 'item', mutations }]);
          const { rows } = encodedRows(staged(entry!))!;
          const { encoded, mutations: decoded } = encodedTable('item', rows);
          let decodings = 0;
          const options = { ignoreUnknownColumns: false };
          const source = {
            table: shape,
            encoded: encoded!,
            get mutations() {
              decodings += 1;
              return decoded;
            },
          };
          const folded = foldTable(source, options);
          cutCount += decodings === 0 ? 1 : 0;
          const expected = foldTable(
            { table: shape, mutations: decoded },
            options,
          );
          expect(printed(folded)).toEqual(printed(expected));
        },
      ),
      { numRuns: 500 },
    );
    expect(cutCount).toBeGreaterThan(50);
  },
);

/** See row-values.ts: V8 would hold such an object until a full collection. */
test('nothing that a batch is made of on its way to the statement has a getter of its own', () => {
  const mutations = ['1', '2'].map((id) => ({
    time: at(1, 0),
    key: `[${id}]` as JsonText,
    after: `{"id": ${id}, "a": "x"}` as JsonText,
    before: null,
  }));
  const entries = encodeEntries(schema, [{ table: 'item', mutations }]);
  const { rows } = encodedRows(staged(entries[0]!))!;
  const [asMade] = tablesAsStaged([{ table: 'item', mutations }], entries);
  const read = encodedTable('item', rows);
  const joined = joinedTable('item', [asMade!, read]);
  const lone = { ...table, changesQuietly: true };
  const shape = { name: schema, tables: new Map([['item', lone]]) };
  const shared = new Map([['item', new Set([textHash('[1]')])]]);
  const many = Array.from({ length: 300 }, () => read);
  const split = splitBatch([joinedTable('item', many)], shared, shape)!;
  const inShape = tablesInShape([joined, ...split.free], shape);
  const folded = inShape.map((each) =>
    foldTable(each, { ignoreUnknownColumns: false }),
  );
  const shapes = folded.flatMap((each) => each.rows);
  const values = shapes.flatMap((each) => [
    each.values,
    each.values.slice(0, 1),
    each.values.cells,
    textValues(each.values.texts, each.rowCount),
  ]);
  const batch = joinedBatch([asMade!, read]);
  const all = [asMade, read, joined, split, inShape, batch, folded, values];
  expect(ownGetters(all)).toEqual([]);
});

/** Of all that is reached from there by properties, which private ones are not. */
function ownGetters(root: object): string[] {
  const found: string[] = [];
  const seen = new Set<object>([root]);
  for (const object of seen) {
    if (ArrayBuffer.isView(object)) {
      continue;
    }
    for (const [name, property] of Object.entries(
      Object.getOwnPropertyDescriptors(object),
    )) {
      const held: unknown = property.value;
      if ('get' in property) {
        found.push(name);
      } else if (typeof held === 'object' && held !== null) {
        seen.add(held);
      }
    }
  }
  return found;
}

/** Shapes may come in any order, and rows where none is in another's way. */
function printed(folded: FoldedTable): unknown {
  const inOrder = <T>(list: readonly T[]): readonly T[] =>
    folded.table === uniqueTable
      ? list
      : list.toSorted((one, other) => (one < other ? -1 : 1));
  return {
    ...folded,
    deleted: inOrder(folded.deleted),
    rows: folded.rows
      .map(({ columns, values, rowCount, replace }) => ({
        columns: `${columns.map(({ name }) => name).join()} ${replace ?? false}`,
        rows: inOrder(
          Array.from({ length: rowCount }, (_, row) =>
            JSON.stringify(values.texts.map((tokens) => tokens[row])),
          ),
        ),
        lengths: values.texts.map(({ length }) => length),
      }))
      .toSorted((one, other) => (one.columns < other.columns ? -1 : 1)),
  };
}
