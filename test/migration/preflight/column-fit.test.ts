import { expect, test } from 'vitest';
import { fitFindings } from '../../../src/migration/preflight/column-fit.ts';
import type {
  SourceColumn,
  SourceTable,
} from '../../../src/migration/preflight/source-columns.ts';
import type { SchemaShape, TableShape } from '../../../src/target/target.ts';
import {
  column as targetColumn,
  tableShape,
} from '../../target/postgres/shapes.ts';

function source(
  name: string,
  base: string,
  more: Partial<SourceColumn> = {},
): SourceColumn {
  return {
    name,
    type: base,
    base,
    typmod: -1,
    nullable: true,
    keyOrdinal: null,
    labels: null,
    ...more,
  };
}

const id = source('id', 'int8', { nullable: false, keyOrdinal: 0 });
const targetId = targetColumn('ID', 'bigint', {
  nullable: false,
  keyOrdinal: 0,
});

function lines(
  sourceTables: readonly SourceTable[],
  tables: readonly TableShape[],
): string[] {
  const target = {
    name: 'shop',
    tables: new Map(tables.map((table) => [table.name, table])),
  } as unknown as SchemaShape;
  return fitFindings(sourceTables, target, (column, token) =>
    column.type === 'int' && token.length > 10
      ? 'is outside -2147483648 to 2147483647'
      : null,
  ).map(({ level, text }) => `${level} ${text}`);
}

test('what fits is said in one line, whatever the case of the names', () => {
  expect(
    lines([{ name: 'item', columns: [id] }], [tableShape('ITEM', [targetId])]),
  ).toEqual(['ok what 1 column of 1 table at the source can hold fits shop']);
});

test('each column that has no room for an extreme is named with it', () => {
  expect(
    lines(
      [{ name: 'item', columns: [id, source('n', 'int8')] }],
      [tableShape('item', [targetId, targetColumn('n', 'int')])],
    ),
  ).toEqual([
    'warn item.n: int8 holds what int does not: -9223372036854775808, 9223372036854775807 (is outside -2147483648 to 2147483647)',
  ]);
});

test('tables and columns that are missing, on either side', () => {
  expect(
    lines(
      [
        { name: 'gone', columns: [id] },
        { name: 'item', columns: [id, source('extra', 'text')] },
      ],
      [
        tableShape('item', [
          targetId,
          targetColumn('needed', 'int', { nullable: false }),
          targetColumn('given', 'int', { nullable: false, hasDefault: true }),
          targetColumn('made', 'int', { nullable: false, generated: true }),
        ]),
      ],
    ),
  ).toEqual([
    "warn the source's table gone is not in shop",
    'warn item.extra (text) is not at the target, and rows that carry it are refused',
    'error item.needed may not be null, has no default, and is not at the source: every new row would be refused',
  ]);
});

test('another primary key and a column that may not be null', () => {
  expect(
    lines(
      [
        {
          name: 'item',
          columns: [
            id,
            source('part', 'int4', { keyOrdinal: 1, nullable: false }),
            source('note', 'text'),
          ],
        },
      ],
      [
        tableShape('item', [
          targetId,
          targetColumn('part', 'int4'),
          targetColumn('note', 'text', { nullable: false }),
        ]),
      ],
    ),
  ).toEqual([
    'error the primary key of item is (id, part) at the source and (id) at the target',
    'warn item.note may be null at the source and not at the target',
  ]);
});
