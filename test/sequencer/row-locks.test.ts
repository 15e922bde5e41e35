import { expect, test } from 'vitest';
import {
  type JsonText,
  type Mutation,
  truncation,
} from '../../src/mutation/mutation.ts';
import { type SchemaName, schemaName } from '../../src/mutation/schema-name.ts';
import { zeroTimestamp } from '../../src/mutation/timestamp.ts';
import { emptiesTable, lockNames } from '../../src/sequencer/row-locks.ts';
import type {
  ColumnShape,
  SchemaShape,
  TableShape,
} from '../../src/target/target.ts';

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
  const locks = lockNames(shape);
  const a = locks([{ table: left[0], mutations: [row(left[1])] }]);
  const b = locks([{ table: right[0], mutations: [row(right[1])] }]);
  return !a.isDisjointFrom(b);
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
  const shape = shapeOf(table('a'));
  const locks = lockNames(shape);
  const moved = { ...row(2), movedFrom: '[1]' as JsonText };
  const others = locks([{ table: 'a', mutations: [row(1)] }]);
  expect(
    locks([{ table: 'a', mutations: [moved] }]).isDisjointFrom(others),
  ).toBe(false);
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
