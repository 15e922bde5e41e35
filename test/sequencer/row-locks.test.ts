import { expect, test } from 'vitest';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { zeroTimestamp } from '../../src/mutation/timestamp.ts';
import { lockNames } from '../../src/sequencer/row-locks.ts';
import type { SchemaShape, TableShape } from '../../src/target/target.ts';

const schema = schemaName(['db', 'public']);

function table(
  name: string,
  parents: readonly string[] = [],
  uniqueKeys: readonly string[][] = [],
): TableShape {
  return {
    schema,
    name,
    columns: [],
    columnByName: new Map(),
    primaryKey: [],
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
