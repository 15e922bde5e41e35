import { describe, expect, test } from 'vitest';

import { resolveColumn } from '../../../../src/source/column-names.ts';
import {
  resolveTable,
  resolveTopic,
} from '../../../../src/source/changefeed/decode/topic.ts';
import { schemaShape, tableShape } from './shapes.ts';

const names = [
  'orders',
  'Orders',
  'order_items',
  'MixedCase',
  'a.b',
  'quo"ted',
  'Größe',
  'public',
  'ITEMS',
  'x'.repeat(63),
  "'; drop table orders; --",
];
const shape = schemaShape(...names.map((name) => tableShape(name, ['id'])));
const meant = (topic: string) => resolveTopic(shape, topic)?.name ?? null;

describe('resolveTopic', () => {
  test.each(names)('the table name %j means itself', (name) => {
    expect(meant(name)).toBe(name);
  });

  test.each(names)('%j with database and schema before it means it', (name) => {
    expect(meant(`source_db.public.${name}`)).toBe(name);
    expect(meant(`source_db.public."${name.replaceAll('"', '""')}"`)).toBe(
      name,
    );
  });

  test.each([
    ['mixedcase', 'MixedCase'],
    ['MIXEDCASE', 'MixedCase'],
    ['items', 'ITEMS'],
    ['GRÖSSE', null],
    ['GRÖßE', 'Größe'],
    ['A.B', 'a.b'],
    // Two tables differ in case alone: neither is meant by a third spelling.
    ['ORDERS', null],
    ['public.order_items', 'order_items'],
    ['other.order_items', 'order_items'],
    ['shop.elsewhere.order_items', 'order_items'],
    ['order', null],
    ['', null],
    ['.', null],
    ['"', null],
    ['__proto__', null],
  ])('%j means %j', (topic, expected) => {
    expect(meant(topic)).toBe(expected);
  });

  test.each([
    'orders.',
    'orders.primary',
    'order_items.fam_1',
    'db.public.orders.primary',
    'db.public.order_items.items',
    'order_items.items',
  ])('the column family topic %j is refused with its remedy', (topic) => {
    for (const _again of [1, 2]) {
      expect(() => meant(topic)).toThrow(
        expect.objectContaining({
          code: 'E1015',
          message: expect.stringContaining('column family'),
          remedy: expect.stringContaining('split_column_families'),
        }),
      );
    }
  });
});

test('a table in the path is found exactly or by its only other case', () => {
  expect(resolveTable(shape, 'Orders')?.name).toBe('Orders');
  expect(resolveTable(shape, 'ORDERS')).toBeNull();
  expect(resolveTable(shape, 'mixedCASE')?.name).toBe('MixedCase');
  expect(resolveTable(shape, 'public.orders')).toBeNull();
});

test('a column is found exactly or by its only other case', () => {
  const table = tableShape('t', ['Id'], ['a', 'A', 'b']);
  expect(resolveColumn(table, 'A')?.name).toBe('A');
  expect(resolveColumn(table, 'B')?.name).toBe('b');
  expect(resolveColumn(table, 'ID')?.name).toBe('Id');
  expect(resolveColumn(table, 'c')).toBeNull();
  const twins = tableShape('u', ['id'], ['ab', 'AB']);
  expect(resolveColumn(twins, 'Ab')).toBeNull();
});
