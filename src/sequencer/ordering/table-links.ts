/** Which tables of a schema are tied to one another. */
import { tableKey } from '../../target/table-order.ts';
import type { SchemaShape, TableShape } from '../../target/target.ts';

/**
 * The group of every table that foreign keys link to others, or that has a
 * unique key beside its primary key, or no primary key; by its name in the
 * shape.
 */
export function tableGroups(shape: SchemaShape): Map<string, string> {
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
      const parentName = names.get(tableKey(parentSchema, parentTable));
      const parent = parentName === undefined ? child : find(parentName);
      parentOf.set(child, parent);
      parentOf.set(parent, parent);
    }
  }
  return new Map(
    [...parentOf.keys()].map((table) => [table, `\u0000group ${find(table)}`]),
  );
}

/** Tables of other schemas stand in a shape under names of their own. */
export function namesByPlace({ tables }: SchemaShape): Map<string, string> {
  return new Map(
    [...tables].map(([name, table]) => [
      tableKey(table.schema, table.name),
      name,
    ]),
  );
}

function isGroup({ uniqueKeys, primaryKey }: TableShape): boolean {
  return uniqueKeys.length > 0 || primaryKey.length === 0;
}
