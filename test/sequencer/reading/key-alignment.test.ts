import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type JsonText,
  type Mutation,
  type TableMutations,
  truncation,
} from '../../../src/mutation/mutation.ts';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import { zeroTimestamp } from '../../../src/mutation/timestamp.ts';
import { alignKeys } from '../../../src/sequencer/reading/key-alignment.ts';
import type { ColumnShape, SchemaShape } from '../../../src/target/target.ts';

const schema = schemaName(['db', 'public']);

function shapeWithKey(columns: readonly string[]): SchemaShape {
  const primaryKey = columns.map((name, keyOrdinal): ColumnShape => ({
    name,
    type: 'int8',
    codec: { kind: 'scalar' },
    keyOrdinal,
    nullable: false,
    hasDefault: false,
    generated: false,
    identity: null,
  }));
  return {
    name: schema,
    tables: new Map([
      [
        't',
        {
          schema,
          name: 't',
          columns: primaryKey,
          columnByName: new Map(
            primaryKey.map((column) => [column.name, column]),
          ),
          primaryKey,
          keyDeferrable: false,
          hasInheritors: false,
          uniqueKeys: [],
          foreignKeys: [],
          fingerprint: columns.join(),
        },
      ],
    ]),
  };
}

function deleteOf(key: string, keyColumns?: readonly string[]): TableMutations {
  return {
    table: 't',
    ...(keyColumns && { keyColumns }),
    mutations: [
      { time: zeroTimestamp, key: key as JsonText, after: null, before: null },
    ],
  };
}

function alignedKey(part: TableMutations, shape: SchemaShape): string {
  return alignKeys(part, shape).mutations[0]!.key;
}

const ab = shapeWithKey(['a', 'b']);

test('every value stays with its column, whatever the order and however many columns the key has left', () => {
  fc.assert(
    fc.property(
      fc
        .uniqueArray(fc.string({ unit: 'grapheme' }), {
          minLength: 1,
          maxLength: 5,
        })
        .chain((names) =>
          fc.tuple(
            fc.constant(names),
            fc.shuffledSubarray(names, { minLength: 1 }),
          ),
        ),
      ([names, left]) => {
        const key = JSON.stringify(names);
        expect(alignedKey(deleteOf(key, names), shapeWithKey(left))).toBe(
          JSON.stringify(left),
        );
      },
    ),
  );
});

test('keys in the present order, without names, or of a table that is gone are left untouched', () => {
  const present = deleteOf('[1,"x"]', ['a', 'b']);
  expect(alignKeys(present, ab)).toBe(present);
  const nameless = deleteOf('[1]');
  expect(alignKeys(nameless, ab)).toBe(nameless);
  const gone = { ...deleteOf('[1]', ['a']), table: 'gone' };
  expect(alignKeys(gone, ab)).toBe(gone);
});

test.each([
  { now: ['a', 'b', 'c'], why: 'a column that the rows may lack has joined' },
  { now: ['a', 'c'], why: 'one column has taken the place of another' },
  { now: [], why: 'the table has no key any more' },
])('halts where $why', ({ now }) => {
  expect(() =>
    alignKeys(deleteOf('[1,2]', ['a', 'b']), shapeWithKey(now)),
  ).toThrow(
    expect.objectContaining({
      code: 'E4018',
      disposition: 'halt',
      message: `the primary key of the target table db.public.t is (${now.join(', ')}), and its staged rows are keyed by (a, b)`,
    }),
  );
});

test('halts where the table had no key and got one, of however many columns', () => {
  for (const [key, now] of [
    ['[1,2]', ['a', 'b']],
    ['[1,2]', ['a']],
    ['[1]', ['a', 'b']],
  ] as const) {
    expect(() => alignKeys(deleteOf(key, []), shapeWithKey(now))).toThrow(
      expect.objectContaining({
        code: 'E4018',
        disposition: 'halt',
        message: expect.stringMatching(/had none/),
      }),
    );
  }
});

test('rows of a table that never had a key are left untouched', () => {
  const rows = deleteOf('[1,2]', []);
  expect(alignKeys(rows, shapeWithKey([]))).toBe(rows);
});

test('the key that a row has left is laid out anew too, and a truncation has none', () => {
  const moved = { ...deleteOf('[1,2]').mutations[0]!, movedFrom: '[3,4]' };
  const part = {
    table: 't',
    keyColumns: ['b', 'a'],
    mutations: [moved as Mutation, truncation(zeroTimestamp, true)],
  };
  expect(alignKeys(part, ab).mutations).toEqual([
    { ...moved, key: '[2,1]', movedFrom: '[4,3]' },
    truncation(zeroTimestamp, true),
  ]);
});
