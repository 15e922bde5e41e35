import fc from 'fast-check';
import { expect, test } from 'vitest';
import { textHash } from '../../../src/lib/text-hash.ts';
import type {
  EncodedRows,
  JsonText,
  Mutation,
  TableMutations,
} from '../../../src/mutation/mutation.ts';
import { splitBatch } from '../../../src/sequencer/ordering/split-batch.ts';
import { encodeEntries } from '../../../src/staging/batch-codec.ts';
import { encodedRows } from '../../../src/staging/encoded-rows.ts';
import { encodedTable } from '../../../src/staging/placed-rows.ts';
import type { SchemaShape, TableShape } from '../../../src/target/target.ts';
import { at, schema, staged } from '../../contract/staging-place.ts';
import { column, tableShape } from '../../target/postgres/shapes.ts';

function table(name: string): TableShape {
  return tableShape(
    name,
    [column('id', 'pg_catalog.int8', { keyOrdinal: 0 })],
    { changesQuietly: true },
  );
}

function shapeOf(...tables: TableShape[]): SchemaShape {
  return {
    name: schema,
    tables: new Map(tables.map((each) => [each.name, each])),
  };
}

const lone = shapeOf(table('a'), table('b'));

function row(key: number, step: number, isDelete = false): Mutation {
  return {
    time: at(0, step),
    key: `[${key}]` as JsonText,
    after: isDelete ? null : (`{"id":${key},"v":${step}}` as JsonText),
    before: null,
  };
}

function leftEncoded(part: TableMutations): TableMutations {
  const entries = encodeEntries(schema, [part]).map(staged);
  return encodedTable(
    part.table,
    entries.flatMap((entry) => encodedRows(entry)!.rows),
  );
}

/** As the applier sees them: text by text. */
function visited(encoded: EncodedRows): unknown[] {
  const seen: unknown[] = [];
  encoded.forEach((bytes, keyStart, afterStart, afterEnd, time) =>
    seen.push({
      time,
      key: bytes.toString('utf8', keyStart, afterStart),
      after: afterEnd < 0 ? null : bytes.toString('utf8', afterStart, afterEnd),
      before: null,
    }),
  );
  return seen;
}

const mutations = fc
  .array(fc.tuple(fc.nat(400), fc.boolean()), {
    minLength: 1,
    maxLength: 600,
    size: 'max',
  })
  .map((rows) => rows.map(([key, gone], step) => row(key, step, gone)));

test('every row of a batch is in one half, its versions in order, and none that is shared in the free one', () => {
  let splitCount = 0;
  fc.assert(
    fc.property(
      mutations,
      mutations,
      fc.uniqueArray(fc.nat(400)),
      fc.boolean(),
      (a, b, sharedKeys, isEncoded) => {
        const hashes = new Set(sharedKeys.map((key) => textHash(`[${key}]`)));
        const parts = [
          { table: 'a', keyColumns: ['id'], mutations: a },
          { table: 'b', keyColumns: ['id'], mutations: b },
        ];
        const isShared = (name: string, { key }: Mutation): boolean =>
          name === 'a' && hashes.has(textHash(key));
        const split = splitBatch(
          isEncoded ? parts.map(leftEncoded) : parts,
          new Map([['a', hashes]]),
          lone,
        );
        const freeCount = parts.flatMap(({ table: name, mutations: rows }) =>
          rows.filter((each) => !isShared(name, each)),
        ).length;
        expect(split !== null).toBe(freeCount >= 200);
        if (split === null) {
          return;
        }
        splitCount += 1;
        for (const [half, wanted] of [
          [split.free, false],
          [split.shared, true],
        ] as const) {
          const expected = parts
            .map(({ table: name, mutations: rows }) => ({
              name,
              rows: rows.filter((each) => isShared(name, each) === wanted),
            }))
            .filter(({ rows }) => rows.length > 0);
          expect(
            half.map(({ table: name, mutations: rows }) => ({ name, rows })),
          ).toEqual(expected);
          if (isEncoded) {
            expect(
              half.map(({ table: name, encoded }) => ({
                name,
                rows: visited(encoded!),
              })),
            ).toEqual(expected);
            for (const [index, { encoded }] of half.entries()) {
              const { rows } = expected[index]!;
              expect(encoded).toMatchObject({
                rowCount: rows.length,
                oldest: rows[0]!.time,
                isEmptied: false,
                keyHashes: Int32Array.from(rows, ({ key }) => textHash(key)),
              });
            }
          }
        }
      },
    ),
    { numRuns: 100 },
  );
  expect(splitCount).toBeGreaterThan(20);
});

const rows = Array.from({ length: 300 }, (_, key) => row(key, 1));

function splits(other: TableShape | null, more: readonly Mutation[] = []) {
  const shape: SchemaShape = other ? shapeOf(table('a'), other) : lone;
  return (
    splitBatch(
      [
        { table: 'a', mutations: [...rows, ...more] },
        { table: other?.name ?? 'b', mutations: [row(1, 2)] },
      ],
      new Map(),
      shape,
    ) !== null
  );
}

test('a batch waits as a whole where one of its rows may be in the way of another', () => {
  expect(splits(null)).toBe(true);
  expect(splits(table('c'))).toBe(true);
  expect(splits({ ...table('c'), uniqueKeys: [['v']] })).toBe(false);
  expect(splits({ ...table('c'), changesQuietly: false })).toBe(false);
  expect(splits({ ...table('c'), primaryKey: [] })).toBe(false);
  expect(splits(null, [{ ...row(7, 2), movedFrom: '[8]' as JsonText }])).toBe(
    false,
  );
});
