import type { ColumnarRows } from '../../values/column-texts.ts';
import { placedRefusal } from '../../values/value-culprit.ts';
import { orAbort } from '../../connections/cancel.ts';
import { isEcho, targetFailure } from '../session/errors.ts';
import { codecOf } from './codec.ts';
import { refusalOf } from './values.ts';

/** With the row and the column, where the server refused a value. */
export function placedFailure(
  error: unknown,
  rows: ColumnarRows,
  signal: AbortSignal | undefined,
): Error {
  return isEcho(error)
    ? error
    : placedRefusal(
        orAbort(targetFailure(error, 'statement'), signal),
        rows,
        (column, token) => refusalOf(codecOf(column), token),
      );
}
