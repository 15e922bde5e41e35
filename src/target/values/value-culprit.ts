/** Which row, of those in a statement that the server refused, and why. */
import { ReplicatorError } from '../../failure/failure.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import { type ColumnarRows, rowKey } from './column-texts.ts';
import type { ColumnShape } from '../target.ts';
import {
  placedFailure,
  printKey,
  type UnstorableValue,
} from '../value-policy.ts';

/**
 * Servers say that a value is out of range, and rarely of which row. The same
 * failure, with the first value that `refusalOf` knows not to fit; where it
 * knows of none, with the table, and the row if there is only one.
 */
export function placedRefusal(
  failure: Error,
  rows: ColumnarRows,
  refusalOf: (column: ColumnShape, token: JsonText) => UnstorableValue | null,
): Error {
  if (!(failure instanceof ReplicatorError) || failure.code !== 'E4006') {
    return failure;
  }
  const { table } = rows;
  const newFailure = (detail: string): ReplicatorError =>
    new ReplicatorError('E4006', { detail, cause: failure.cause });
  for (const [index, column] of rows.columns.entries()) {
    for (let row = 0; row < rows.rowCount; row++) {
      const refusal = refusalOf(column, rows.values.texts[index]![row]!);
      if (refusal) {
        const keyOf = (): JsonText[] => rowKey(rows, row);
        const { message } = placedFailure(refusal, { table, column, keyOf });
        return newFailure(`${message}; the server says ${failure.message}`);
      }
    }
  }
  const place = `in table ${table.schema}.${table.name}${rows.rowCount === 1 ? `, row ${printKey(rowKey(rows, 0))}` : ''}`;
  return newFailure(`${failure.message}, ${place}`);
}
