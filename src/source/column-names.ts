/** Which column of the target a name of the source means. */
import type { ColumnShape, TableShape } from '../target/target.ts';

const foldedColumns = new WeakMap<
  TableShape,
  ReadonlyMap<string, ColumnShape | null>
>();

/** The column of that name: exactly, else the only one but for case. */
export function resolveColumn(
  table: TableShape,
  name: string,
): ColumnShape | null {
  const exact = table.columnByName.get(name);
  if (exact !== undefined) {
    return exact;
  }
  let folded = foldedColumns.get(table);
  if (folded === undefined) {
    const names = new Map<string, ColumnShape | null>();
    for (const column of table.columns) {
      const lower = column.name.toLowerCase();
      names.set(lower, names.has(lower) ? null : column);
    }
    folded = names;
    foldedColumns.set(table, names);
  }
  return folded.get(name.toLowerCase()) ?? null;
}
