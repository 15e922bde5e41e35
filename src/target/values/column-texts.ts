/** The values of a column as an engine writes them, each placed in its row. */
import type { JsonText } from '../../mutation/mutation.ts';
import { type RowValues, textValues } from '../row-values.ts';
import type { ColumnShape, KeyRows, ShapeRows, TableShape } from '../target.ts';
import {
  settleUnstorable,
  UnstorableValue,
  type ValuePolicies,
} from '../value-policy.ts';

/**
 * The text that an engine's driver is given; null is SQL NULL. Throws
 * UnstorableValue, whose clamped text is of the same form as the result.
 */
export type ColumnText = (
  column: ColumnShape,
  token: JsonText,
) => string | null;

/** Rows to write, or keys of rows to delete, seen as columns. */
export interface ColumnarRows {
  readonly table: TableShape;
  readonly columns: readonly ColumnShape[];
  readonly values: RowValues;
  readonly rowCount: number;
}

export function columnarRows(rows: ShapeRows | KeyRows): ColumnarRows {
  return 'keys' in rows
    ? {
        table: rows.table,
        columns: rows.table.primaryKey,
        values: textValues(rows.keys, rows.rowCount),
        rowCount: rows.rowCount,
      }
    : rows;
}

export interface ColumnTextOptions {
  readonly columnText: ColumnText;
  readonly policies: ValuePolicies;
}

/** The texts of `rows.columns[index]`, row after row; throws E4006. */
export function columnTexts(
  rows: ColumnarRows,
  index: number,
  { columnText, policies }: ColumnTextOptions,
): (string | null)[] {
  const column = rows.columns[index]!;
  const tokens = rows.values.texts[index]!;
  const texts: (string | null)[] = [];
  for (let row = 0; row < rows.rowCount; row++) {
    try {
      texts.push(columnText(column, tokens[row]!));
    } catch (error) {
      texts.push(textInstead(error, rows, { row, index }, policies));
    }
  }
  return texts;
}

/** Of a value whose text could not be made; throws E4006. */
export function textInstead(
  error: unknown,
  rows: ColumnarRows,
  { row, index }: { readonly row: number; readonly index: number },
  policies: ValuePolicies,
): string | null {
  if (!(error instanceof UnstorableValue)) {
    throw error;
  }
  const column = rows.columns[index]!;
  const keyOf = (): JsonText[] => rowKey(rows, row);
  return settleUnstorable(
    error,
    { table: rows.table, column, keyOf },
    policies,
  );
}

/** Of the primary key's columns, in key order, their numbers among the columns. */
export function keyIndexes({ table, columns }: ColumnarRows): number[] {
  return table.primaryKey.map((column) => columns.indexOf(column));
}

/** The JSON of the primary key, in key order. */
export function rowKey(rows: ColumnarRows, row: number): JsonText[] {
  const { cells } = rows.values;
  return keyIndexes(rows).map((index) => cells.token(index, row));
}
