/** The SQL that gives rows another key. */
import type { ColumnShape, TableShape } from '../../target.ts';
import { codecOf } from '../values/codec.ts';
import {
  quoteIdentifier,
  tableName,
  textExpression,
  textRows,
  valueExpression,
} from './statements.ts';
import { isBoundNational } from '../values/values.ts';

/** Key columns that can be written. */
export function movedColumns({ primaryKey }: TableShape): ColumnShape[] {
  return primaryKey.filter(({ generated }) => !generated);
}

/** One row: the new values of the moved columns are bound, then the old key. */
export function moveKeyStatement(table: TableShape): string {
  const moved = movedColumns(table);
  const bind = (place: number) => (column: ColumnShape, index: number) =>
    `t.${quoteIdentifier(column.name)} = ${valueExpression(column, `:${place + index + 1}`)}`;
  return [
    `update ${tableName(table)} t`,
    `set ${moved.map(bind(0)).join(', ')}`,
    `where ${table.primaryKey.map(bind(moved.length)).join(' and ')}`,
  ].join('\n');
}

/**
 * All rows in one statement, at whose end Oracle looks for duplicates: so keys
 * pass between rows. The rows are found first, for no column that MERGE
 * matches by may be updated.
 */
export function moveKeysStatement(table: TableShape): string {
  const moved = movedColumns(table);
  const match = table.primaryKey.map(
    (column, index) =>
      `s.${quoteIdentifier(column.name)} = ${textExpression(column, `j.c${moved.length + index + 1}`)}`,
  );
  const changes = moved.map(
    (column, index) =>
      `t.${quoteIdentifier(column.name)} = ${textExpression(column, `v.c${index + 1}`)}`,
  );
  return [
    `merge into ${tableName(table)} t`,
    'using (',
    `  select ${['s.rowid as place', ...moved.map((_, index) => `j.c${index + 1}`)].join(', ')}`,
    `  from ${tableName(table)} s,`,
    `    ${textRows(moved.length + table.primaryKey.length)}`,
    `  where ${match.join(' and ')}`,
    ') v',
    'on (t.rowid = v.place)',
    `when matched then update set ${changes.join(', ')}`,
  ].join('\n');
}

/** The rows' text would go through the database's own character set. */
export function movesTogether(table: TableShape): boolean {
  return !table.primaryKey.some((column) => isBoundNational(codecOf(column)));
}
