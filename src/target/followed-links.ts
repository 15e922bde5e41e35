/**
 * References that may have followed a value to where it went. Where a foreign
 * key to other columns than the primary key carries changes on (`on update
 * cascade`), changing the parent's value changes all rows that have it then.
 * Children are written behind their parents, and so have the last word. But
 * within a table that refers to itself, and around a circle, a child may have
 * been written before: it gets its references once more.
 */
import type { Statement } from './apply-steps.ts';
import type { FoldedTable } from './folded-table.ts';
import { shapeChunks } from './statement-chunks.ts';
import { tableKey } from './table-order.ts';
import type {
  ColumnShape,
  ForeignKey,
  ShapeRows,
  TableShape,
  TargetTransaction,
} from './target.ts';

/** Behind all writes, of tables in the order of tableOrder(). */
export function* followedWrites(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
): Generator<Statement> {
  if (!folded.some(({ table }) => table.foreignKeys.length > 0)) {
    return;
  }
  const placeOf = new Map(
    folded.map(({ table }, place) => [
      tableKey(table.schema, table.name),
      place,
    ]),
  );
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
      yield* again(shape, columns, transaction);
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

function* again(
  shape: ShapeRows,
  links: ReadonlySet<ColumnShape>,
  transaction: TargetTransaction,
): Generator<Statement> {
  const columns = shape.columns.filter(
    (column) => column.keyOrdinal !== null || links.has(column),
  );
  if (columns.every(({ keyOrdinal }) => keyOrdinal !== null)) {
    return;
  }
  const given: ShapeRows = {
    table: shape.table,
    columns,
    values: columns.map(
      (column) => shape.values[shape.columns.indexOf(column)]!,
    ),
    rowCount: shape.rowCount,
  };
  for (const chunk of shapeChunks(given)) {
    yield () => transaction.update(chunk);
  }
}
