import { expect, test } from 'vitest';
import {
  type JsonText,
  type Mutation,
  truncation,
} from '../../../src/mutation/mutation.ts';
import {
  type SchemaName,
  schemaName,
} from '../../../src/mutation/schema-name.ts';
import { zeroTimestamp } from '../../../src/mutation/timestamp.ts';
import { HeldLocks } from '../../../src/sequencer/ordering/held-locks.ts';
import {
  emptiesTable,
  lockNames,
  type LockSet,
} from '../../../src/sequencer/ordering/row-locks.ts';
import type {
  ColumnShape,
  SchemaShape,
  TableShape,
} from '../../../src/target/target.ts';

const schema = schemaName(['db', 'public']);

const id: ColumnShape = {
  name: 'id',
  type: 'bigint',
  codec: { kind: 'integer' },
  keyOrdinal: 0,
  nullable: false,
  hasDefault: false,
  generated: false,
  identity: null,
};

function table(
  name: string,
  parents: readonly string[] = [],
  uniqueKeys: readonly string[][] = [],
): TableShape {
  return {
    schema,
    name,
    columns: [id],
    columnByName: new Map([['id', id]]),
    primaryKey: [id],
    keyDeferrable: false,
    hasInheritors: false,
    uniqueKeys,
    foreignKeys: parents.map((parentTable) => ({
      name: `${name}_${parentTable}`,
      columns: ['p'],
      parentSchema: schema,
      parentTable,
      parentColumns: ['id'],
      deferrable: false,
    })),
    fingerprint: name,
  };
}

function shapeOf(...tables: TableShape[]): SchemaShape {
  return {
    name: schema,
    tables: new Map(tables.map((each) => [each.name, each])),
  };
}

function row(key: number): Mutation {
  return {
    key: `[${key}]` as JsonText,
    time: zeroTimestamp,
    after: null,
    before: null,
  };
}

function share(
  shape: SchemaShape,
  left: [string, number],
  right: [string, number],
): boolean {
  const locks = lockNames(shape, 'coarse');
  const a = locks([{ table: left[0], mutations: [row(left[1])] }]);
  const b = locks([{ table: right[0], mutations: [row(right[1])] }]);
  return meet(a, b);
}

function meet(a: LockSet, b: LockSet): boolean {
  const held = new HeldLocks<string>();
  held.take(a, 'a');
  return held.take(b, 'b').blockers.has('a');
}

test('rows of a table that stands alone only meet themselves', () => {
  const shape = shapeOf(table('a'), table('b'));
  expect(share(shape, ['a', 1], ['a', 1])).toBe(true);
  expect(share(shape, ['a', 1], ['a', 2])).toBe(false);
  expect(share(shape, ['a', 1], ['b', 1])).toBe(false);
});

test('tables that foreign keys link meet across the whole graph, whatever the order of the catalog', () => {
  const tables = [
    table('grandchild', ['child']),
    table('child', ['parent', 'other']),
    table('parent'),
    table('other'),
    table('alone'),
  ];
  for (const order of [tables, tables.toReversed()]) {
    const shape = shapeOf(...order);
    expect(share(shape, ['grandchild', 1], ['other', 2])).toBe(true);
    expect(share(shape, ['parent', 1], ['other', 2])).toBe(true);
    expect(share(shape, ['parent', 1], ['alone', 2])).toBe(false);
  }
});

test('rows of a table with another unique key meet, for one may want the value that the other gives up', () => {
  const shape = shapeOf(table('u', [], [['email']]), table('self', ['self']));
  expect(share(shape, ['u', 1], ['u', 2])).toBe(true);
  expect(share(shape, ['self', 1], ['self', 2])).toBe(true);
  expect(share(shape, ['u', 1], ['self', 1])).toBe(false);
});

test('a row that moves meets whatever is at its old key', () => {
  for (const grain of ['fine', 'coarse'] as const) {
    const locks = lockNames(shapeOf(table('a')), grain);
    const moved = { ...row(2), movedFrom: '[1]' as JsonText };
    expect(
      meet(
        locks([{ table: 'a', mutations: [row(1)] }]),
        locks([{ table: 'a', mutations: [moved] }]),
      ),
    ).toBe(true);
  }
});

/** One row of a table, as its lock set. */
function fine(
  shape: SchemaShape,
  name: string,
  id: number,
  {
    after = null,
    before = null,
  }: { after?: object | null; before?: object | null } = {},
): LockSet {
  const text = (value: object | null): JsonText | null =>
    value && (JSON.stringify(value) as JsonText);
  return lockNames(
    shape,
    'fine',
  )([
    {
      table: name,
      mutations: [{ ...row(id), after: text(after), before: text(before) }],
    },
  ]);
}

test('of tables that foreign keys link, rows meet the rows that they refer to, and no others', () => {
  const shape = shapeOf(table('child', ['parent']), table('parent'));
  const child = (id: number, p: number | null): LockSet =>
    fine(shape, 'child', id, { after: { id, p } });
  const parent = (id: number): LockSet =>
    fine(shape, 'parent', id, { after: { id } });
  expect(meet(parent(7), child(1, 7))).toBe(true);
  expect(meet(child(1, 7), parent(7))).toBe(true);
  expect(meet(parent(7), child(1, 8))).toBe(false);
  expect(meet(parent(7), child(1, null))).toBe(false);
  // Two may refer to one.
  expect(meet(child(1, 7), child(2, 7))).toBe(false);
  expect(meet(child(1, 7), child(1, 8))).toBe(true);
});

test('a row that goes meets all rows that may have referred to it, over any number of tables', () => {
  const shape = shapeOf(
    table('grandchild', ['child']),
    table('child', ['parent']),
    table('parent'),
    table('other'),
  );
  const gone = fine(shape, 'parent', 7);
  expect(meet(gone, fine(shape, 'child', 1, { after: { id: 1, p: 8 } }))).toBe(
    true,
  );
  expect(meet(gone, fine(shape, 'grandchild', 1))).toBe(true);
  expect(meet(fine(shape, 'grandchild', 1), gone)).toBe(true);
  expect(meet(gone, fine(shape, 'other', 1))).toBe(false);
  const kept = fine(shape, 'parent', 8, { after: { id: 8 } });
  expect(meet(gone, kept)).toBe(false);
  // Nothing refers to a grandchild.
  expect(meet(fine(shape, 'grandchild', 1), fine(shape, 'grandchild', 2))).toBe(
    false,
  );
});

test('rows meet at a unique value that one takes and the other has, or is known to have had', () => {
  const shape = shapeOf(table('u', [], [['email', 'site']]));
  const has = (id: number, email: string | null): object => ({
    id,
    email,
    site: 1.5,
  });
  const taken = fine(shape, 'u', 1, { after: has(1, 'a') });
  expect(meet(taken, fine(shape, 'u', 2, { after: has(2, 'a') }))).toBe(true);
  expect(meet(taken, fine(shape, 'u', 2, { after: has(2, 'b') }))).toBe(false);
  expect(
    meet(
      taken,
      fine(shape, 'u', 2, { after: has(2, 'b'), before: has(2, 'a') }),
    ),
  ).toBe(true);
  expect(meet(taken, fine(shape, 'u', 2, { before: has(2, 'a') }))).toBe(true);
  const empty = fine(shape, 'u', 3, { after: has(3, null) });
  expect(meet(empty, fine(shape, 'u', 4, { after: has(4, null) }))).toBe(false);
});

test('values meet in whatever way they are written', () => {
  const shape = shapeOf(table('child', ['parent']), table('parent'));
  const parent = fine(shape, 'parent', 7, { after: { id: 7 } });
  const child = lockNames(
    shape,
    'fine',
  )([
    {
      table: 'child',
      mutations: [
        { ...row(1), after: '{ "id" : 1, "\\u0070" : 7.0 }' as JsonText },
      ],
    },
  ]);
  expect(meet(parent, child)).toBe(true);
});

test('all rows of a table without a primary key meet', () => {
  const keyless = { ...table('k'), primaryKey: [] };
  const shape = shapeOf(keyless, table('a'));
  expect(share(shape, ['k', 1], ['k', 2])).toBe(true);
  expect(share(shape, ['k', 1], ['a', 1])).toBe(false);
});

test('tables meet that foreign keys link across schemas, and none by their bare names', () => {
  const other = schemaName(['db', 'other']);
  const of = (name: SchemaName, each: TableShape): TableShape => ({
    ...each,
    schema: name,
  });
  const refersTo = (
    parentSchema: SchemaName,
    each: TableShape,
  ): TableShape => ({
    ...each,
    foreignKeys: each.foreignKeys.map((key) => ({ ...key, parentSchema })),
  });
  const shape: SchemaShape = {
    name: schema,
    tables: new Map([
      ['parent', table('parent')],
      ['child', refersTo(other, table('child', ['parent']))],
      ['db.other.parent', of(other, table('parent'))],
      ['db.other.child', of(other, refersTo(schema, table('child', ['gone'])))],
    ]),
  };
  expect(share(shape, ['child', 1], ['db.other.parent', 2])).toBe(true);
  expect(share(shape, ['child', 1], ['parent', 2])).toBe(false);
  expect(share(shape, ['parent', 1], ['parent', 2])).toBe(false);
  expect(share(shape, ['db.other.child', 1], ['db.other.child', 2])).toBe(true);
  expect(share(shape, ['db.other.child', 1], ['child', 1])).toBe(false);
});

test('a batch empties a table when one of its mutations does', () => {
  const empties = truncation(zeroTimestamp, false);
  expect(
    emptiesTable([
      { table: 'a', mutations: [row(1)] },
      { table: 'b', mutations: [row(1), empties] },
    ]),
  ).toBe(true);
  expect(emptiesTable([{ table: 'a', mutations: [row(1)] }])).toBe(false);
});
