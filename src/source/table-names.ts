/** Which table of the target a name of the source means. */
import type { SchemaShape } from '../target/target.ts';

/** A shape is replaced, never changed, when the target's catalog changes. */
const foldedTables = new WeakMap<
  SchemaShape,
  ReadonlyMap<string, string | null>
>();

/** Its name in the shape: exactly that, else the only one but for case. */
export function resolveTableName(
  shape: SchemaShape,
  name: string,
): string | null {
  if (shape.tables.has(name)) {
    return name;
  }
  let folded = foldedTables.get(shape);
  if (folded === undefined) {
    const names = new Map<string, string | null>();
    for (const table of shape.tables.keys()) {
      const lower = table.toLowerCase();
      names.set(lower, names.has(lower) ? null : table);
    }
    folded = names;
    foldedTables.set(shape, names);
  }
  return folded.get(name.toLowerCase()) ?? null;
}
