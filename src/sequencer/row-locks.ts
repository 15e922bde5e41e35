/**
 * What two batches must not share to be applied side by side (design D5).
 *
 * A lock is a text. A table that stands alone locks row by row. Tables that a
 * foreign key links, or that have a unique key beside their primary key,
 * lock as one group: whatever touches the group waits for what touched it
 * before. That is coarser than the rows and parents really at stake, and
 * therefore always safe.
 */
import type { TableMutations } from '../mutation/mutation.ts';
import type { SchemaShape } from '../target/target.ts';

export type LockNames = (tables: readonly TableMutations[]) => Set<string>;

/** Lock names under one version of the schema; make anew when it changes. */
export function lockNames(shape: SchemaShape): LockNames {
  const groupOf = tableGroups(shape);
  return (tables) => {
    const names = new Set<string>();
    for (const { table, mutations } of tables) {
      const group = groupOf.get(table);
      if (group !== undefined) {
        names.add(group);
        continue;
      }
      for (const mutation of mutations) {
        names.add(`${table}\u0000${mutation.key}`);
      }
    }
    return names;
  };
}

/** The group of every table that cannot lock row by row. */
function tableGroups(shape: SchemaShape): Map<string, string> {
  const parentOf = new Map<string, string>();
  const find = (table: string): string => {
    let root = table;
    while (parentOf.has(root) && parentOf.get(root) !== root) {
      root = parentOf.get(root)!;
    }
    return root;
  };
  for (const table of shape.tables.values()) {
    if (table.uniqueKeys.length > 0 && !parentOf.has(table.name)) {
      parentOf.set(table.name, table.name);
    }
    for (const foreignKey of table.foreignKeys) {
      const child = find(table.name);
      // A parent in another schema is not ours to lock, but the child still
      // needs its own group: its rows wait for one another.
      const parent =
        foreignKey.parentSchema === shape.name
          ? find(foreignKey.parentTable)
          : child;
      parentOf.set(child, parent);
      parentOf.set(parent, parent);
    }
  }
  return new Map(
    [...parentOf.keys()].map((table) => [table, `\u0000group ${find(table)}`]),
  );
}
