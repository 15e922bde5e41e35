/**
 * References that may have followed a value to where it went. Where a foreign
 * key to other columns than the primary key carries changes on (`on update
 * cascade`), changing the parent's value changes all rows that have it then.
 * Children are written behind their parents, and so have the last word. But
 * within a table that refers to itself, and around a circle, a child may have
 * been written before: it gets its references once more.
 */
import { columnWrites, type Statement } from './apply-steps.ts';
import type { FoldedTable } from './folded-table.ts';
import { placesOf, tableKey } from '../table-order.ts';
import type {
  ColumnShape,
  ForeignKey,
  TableShape,
  TargetTransaction,
} from '../target.ts';

/** Behind all writes, of tables in the order of tableOrder(). */
export function* followedWrites(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
): Generator<Statement> {
  if (!folded.some(({ table }) => table.foreignKeys.length > 0)) {
    return;
  }
  const placeOf = placesOf(folded);
  for (const [place, { table, rows }] of folded.entries()) {
    const columns = new Set<ColumnShape>();
    for (const key of table.foreignKeys) {
      const parentPlace = placeOf.get(
        tableKey(key.parentSchema, key.parentTable),
      );
      if (
        parentPlace !== undefined &&
        parentPlace >= place &&
        mayFollow(key, folded[parentPlace]!.table)
      ) {
        for (const name of key.columns) {
          columns.add(table.columnByName.get(name)!);
        }
      }
    }
    for (const shape of columns.size === 0 ? [] : rows) {
      yield* columnWrites(
        shape,
        (column) => column.keyOrdinal === null && columns.has(column),
        transaction,
      );
    }
  }
}

/** Writing a row never changes its primary key. */
function mayFollow(
  { parentColumns }: ForeignKey,
  { columnByName }: TableShape,
): boolean {
  return parentColumns.some(
    (name) => columnByName.get(name)?.keyOrdinal === null,
  );
}
