import { expect, test } from 'vitest';
import {
  schemaName,
  type SchemaName,
} from '../../../src/mutation/schema-name.ts';
import { joinedTableName } from '../../../src/pipeline/joined-schemas.ts';
import type { SourceRelation } from '../../../src/source/logical/decode/relations.ts';
import {
  type PartitionRoot,
  SlotTables,
} from '../../../src/source/logical/slot-tables.ts';
import type { TransactionFeed } from '../../../src/source/source.ts';
import type { SchemaShape } from '../../../src/target/target.ts';
import { tableShapeIn } from '../../target/table-shape.ts';

const main = schemaName(['shop', 'public']);
const audit = schemaName(['shop', 'audit']);

function shapeOf(names: readonly string[]): SchemaShape {
  const table = tableShapeIn(main);
  return {
    name: main,
    tables: new Map(names.map((name) => [name, table(name, [])])),
  };
}

function relation(
  table: string,
  { schema = 'public', oid = 1 } = {},
): SourceRelation {
  return { oid, schema, table, replicaIdentity: 'default', columns: [] };
}

function slotTables(
  names: readonly string[],
  {
    onUnknown = 'refuse' as 'refuse' | 'ignore',
    roots = new Map<number, PartitionRoot>(),
    found = names,
    auditGoesTo = audit,
  } = {},
): { tables: SlotTables; leftOut: string[] } {
  const leftOut: string[] = [];
  let shape = shapeOf(names);
  const feed: Pick<TransactionFeed, 'shape' | 'refreshShape'> = {
    shape: () => shape,
    refreshShape: () => {
      shape = shapeOf(found);
      return Promise.resolve(shape);
    },
  };
  const tables = new SlotTables({
    feed: feed as TransactionFeed,
    schemas: new Map<string, SchemaName>([
      ['public', main],
      ['audit', auditGoesTo],
    ]),
    tableName: (schema, table) => joinedTableName(main, schema, table),
    onUnknown,
    askPartitionRoot: (oid) => Promise.resolve(roots.get(oid) ?? null),
    leftOut: ({ schema, table }, why) =>
      leftOut.push(`${schema}.${table}: ${why}`),
  });
  return { tables, leftOut };
}

test('a table goes into the one of its name, or else into the only one that differs by case alone', () => {
  const { tables } = slotTables(['Item', 'item', 'ORDERS']);
  expect(tables.find(relation('item'))?.name).toBe('item');
  expect(tables.find(relation('Item'))?.name).toBe('Item');
  expect(tables.find(relation('orders'))?.name).toBe('ORDERS');
  expect(() => tables.find(relation('ITEM'))).toThrow(/no table .*ITEM/);
});

test('two tables that differ by case alone are not mixed up in one, and one that is renamed is no second', () => {
  const { tables } = slotTables(['item']);
  expect(tables.find(relation('item', { oid: 1 }))?.name).toBe('item');
  expect(() => tables.find(relation('Item', { oid: 2 }))).toThrow(
    /one table item for public\.item and public\.Item/,
  );
  expect(tables.find(relation('ITEM', { oid: 1 }))?.name).toBe('item');
  // Dropped and made anew.
  expect(tables.find(relation('ITEM', { oid: 3 }))?.name).toBe('item');
});

test('two schemas that go into one may not have a table of one name', () => {
  const { tables } = slotTables(['item', 'log'], { auditGoesTo: main });
  const inAudit = { schema: 'audit', oid: 2 };
  expect(tables.find(relation('item'))?.name).toBe('item');
  expect(tables.find(relation('log', inAudit))?.name).toBe('log');
  expect(() => tables.find(relation('item', { ...inAudit, oid: 3 }))).toThrow(
    expect.objectContaining({
      code: 'E6013',
      message: expect.stringMatching(
        /one table item for public\.item and audit\.item/,
      ),
      remedy: expect.stringMatching(/--schemaMap/),
    }),
  );
  // The table itself has moved into the other schema, and back.
  expect(tables.find(relation('item', { schema: 'audit' }))?.name).toBe('item');
  expect(tables.find(relation('item'))?.name).toBe('item');
  // It has another name, and its own another one takes.
  expect(() => tables.find(relation('old'))).toThrow(/no table/);
  expect(tables.find(relation('item', { oid: 4 }))?.name).toBe('item');
});

test('partitions of two tables are not mixed up in one, and those of one share it in whatever schemas they lie', async () => {
  const first = { table: 'visit', leaves: [7, 8] };
  const second = { table: 'visit', leaves: [9] };
  const roots = new Map([
    [7, first],
    [8, first],
    [9, second],
  ]);
  const { tables } = slotTables(['visit'], { roots, auditGoesTo: main });
  const parts = [
    relation('visit_1', { oid: 7 }),
    relation('visit_2', { schema: 'audit', oid: 8 }),
    relation('visit_1', { schema: 'audit', oid: 9 }),
  ] as const;
  for (const part of parts) {
    await tables.look(part);
  }
  expect(tables.find(parts[0])?.name).toBe('visit');
  expect(tables.find(parts[1])?.name).toBe('visit');
  expect(tables.find(parts[0])?.name).toBe('visit');
  expect(() => tables.find(parts[2])).toThrow(
    /one table visit for public\.visit_1 and audit\.visit_1/,
  );
  // As one table, from here on (publish_via_partition_root).
  expect(tables.find(relation('visit', { oid: 5 }))?.name).toBe('visit');
  expect(() =>
    tables.find(relation('visit', { schema: 'audit', oid: 6 })),
  ).toThrow(/public\.visit and audit\.visit/);
});

test('a table of a mapped schema goes into that schema, never into one of its name in the main one', () => {
  const inAudit = joinedTableName(main, audit, 'item');
  const { tables } = slotTables(['item', inAudit, 'log']);
  const options = { schema: 'audit' };
  expect(tables.find(relation('item', options))?.name).toBe(inAudit);
  expect(() => tables.find(relation('log', options))).toThrow(/audit/);
});

test('a schema that goes nowhere is left out, and told once for each table', () => {
  const { tables, leftOut } = slotTables(['item']);
  for (const oid of [1, 1, 2]) {
    const left = relation('item', { schema: 'other', oid });
    expect(tables.knows(left)).toBe(true);
    expect(tables.find(left)).toBeNull();
  }
  expect(leftOut).toHaveLength(2);
  expect(leftOut[0]).toContain('other.item: its schema');
});

test('a table that moves into a schema that goes nowhere is not left out in silence', () => {
  const { tables } = slotTables(['item']);
  expect(tables.find(relation('item'))?.name).toBe('item');
  expect(() => tables.find(relation('item', { schema: 'other' }))).toThrow(
    /public\.item of the source is other\.item now/,
  );
});

test('what the target lacks is refused with E6013, or left out on request', () => {
  const refused = slotTables([]).tables;
  expect(() => refused.find(relation('item'))).toThrow(
    expect.objectContaining({ code: 'E6013' }),
  );
  const { tables, leftOut } = slotTables([], { onUnknown: 'ignore' });
  expect(tables.find(relation('item'))).toBeNull();
  expect(leftOut).toHaveLength(1);
});

test('a table that the target has had for a moment is found after a look', async () => {
  const { tables } = slotTables([], { found: ['item'] });
  expect(tables.knows(relation('item'))).toBe(false);
  await tables.look(relation('item'));
  expect(tables.find(relation('item'))?.name).toBe('item');
});

test('a partition goes into its own table where there is one, else into that of its root with all its parts', async () => {
  const root = { table: 'visit', leaves: [7, 8] };
  const roots = new Map([
    [7, root],
    [8, root],
  ]);
  const { tables } = slotTables(['visit', 'visit_2'], { roots });
  const first = relation('visit_1', { oid: 7 });
  const second = relation('visit_2', { oid: 8 });
  await tables.look(first);
  await tables.look(second);
  expect(tables.find(first)).toMatchObject({ name: 'visit', parts: [7, 8] });
  expect(tables.find(second)?.name).toBe('visit_2');
  expect(tables.find(second)?.parts).toBeUndefined();
  // Detached meanwhile: it is a table like any other.
  roots.delete(7);
  await tables.look(first);
  expect(() => tables.find(first)).toThrow(/no table .*visit_1/);
});
