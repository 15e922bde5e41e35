/**
 * What two batches must not share to be applied side by side (design D5).
 *
 * A lock is a text. A table that stands alone locks row by row. Tables that a
 * foreign key links, or that have a unique key beside their primary key,
 * lock as one group: whatever touches the group waits for what touched it
 * before. That is coarser than the rows and parents really at stake, and
 * therefore always safe.
 *
 * A table without a primary key is a group of its own. Equal rows have equal
 * keys here too, but whoever looks for one reads the table to its end, and on
 * engines that lock what they read he would wait for rows of younger batches.
 */
import { isTruncation, type TableMutations } from '../mutation/mutation.ts';
import type { SchemaShape, TableShape } from '../target/target.ts';

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
      for (const { key, movedFrom } of mutations) {
        names.add(`${table}\u0000${key}`);
        if (movedFrom !== undefined) {
          names.add(`${table}\u0000${movedFrom}`);
        }
      }
    }
    return names;
  };
}

/**
 * Whether a table is emptied: that touches all its rows, and locks the tables
 * that refer to it. Such a batch shares the target with no other.
 */
export function emptiesTable(tables: readonly TableMutations[]): boolean {
  return tables.some(({ mutations }) => mutations.some(isTruncation));
}

/** The group of every table that cannot lock row by row, by its name in `shape`. */
function tableGroups(shape: SchemaShape): Map<string, string> {
  const names = namesByPlace(shape);
  const parentOf = new Map<string, string>();
  const find = (table: string): string => {
    let root = table;
    while (parentOf.has(root) && parentOf.get(root) !== root) {
      root = parentOf.get(root)!;
    }
    return root;
  };
  for (const [name, table] of shape.tables) {
    if (isGroup(table) && !parentOf.has(name)) {
      parentOf.set(name, name);
    }
    for (const { parentSchema, parentTable } of table.foreignKeys) {
      const child = find(name);
      // A parent that the shape does not hold is not ours to lock, but the
      // child still needs its own group: its rows wait for one another.
      const parentName = names.get(placeOf(parentSchema, parentTable));
      const parent = parentName === undefined ? child : find(parentName);
      parentOf.set(child, parent);
      parentOf.set(parent, parent);
    }
  }
  return new Map(
    [...parentOf.keys()].map((table) => [table, `\u0000group ${find(table)}`]),
  );
}

function isGroup({ uniqueKeys, primaryKey }: TableShape): boolean {
  return uniqueKeys.length > 0 || primaryKey.length === 0;
}

/** Tables of other schemas stand in a shape under names of their own. */
function namesByPlace({ tables }: SchemaShape): Map<string, string> {
  return new Map(
    [...tables].map(([name, table]) => [
      placeOf(table.schema, table.name),
      name,
    ]),
  );
}

function placeOf(schema: string, table: string): string {
  return `${schema}\u0000${table}`;
}
