/** How rows get another key: the old ones and the new ones cross as one parameter. */
import type { ColumnarRows } from '../column-texts.ts';
import type { ColumnShape, KeyMoves } from '../target.ts';
import { quoteIdentifier } from './quoting.ts';
import { jsonSource, type RowSource } from './row-source.ts';
import { keyedTable, keyMatch, untouched } from './statements.ts';

/** The old keys stand in the key's columns, the new ones in copies of them. */
export function moveRows({
  table,
  from,
  to,
  rowCount,
}: KeyMoves): ColumnarRows {
  const copies = table.primaryKey.map((column) => ({ ...column }));
  return {
    table,
    columns: [...table.primaryKey, ...copies],
    values: [...from, ...to],
    rowCount,
  };
}

export function moveStatement({ table, columns }: ColumnarRows): string {
  const source = jsonSource(table, columns);
  const copies = columns.slice(table.primaryKey.length);
  return [
    `update ${source.from}`,
    `straight_join ${keyedTable(table)} on ${keyMatch(table, source)}`,
    `set ${[
      ...assignments(copies, source),
      ...untouched(
        table,
        copies.map(({ name }) => name),
        't.',
      ),
    ].join(', ')}`,
  ].join('\n');
}

function assignments(
  copies: readonly ColumnShape[],
  source: RowSource,
): string[] {
  return copies
    .filter(({ generated }) => !generated)
    .map(
      (column) => `t.${quoteIdentifier(column.name)} = ${source.value(column)}`,
    );
}
