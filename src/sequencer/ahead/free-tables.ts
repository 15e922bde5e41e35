import type { SchemaShape } from '../../target/target.ts';
import { tableKey } from '../../target/table-order.ts';
import { namesByPlace, tableGroups } from '../ordering/table-links.ts';

/**
 * Tables whose rows may go ahead of the others (run-ahead.ts): those that stand
 * alone. No foreign key links them to any table, themselves included, of this
 * schema or another one, and no row can stand in the way of another but by its
 * primary key.
 *
 * Another unique key would let a row that went ahead hold a value that an
 * older version of another row, which the sweep must write, still needs.
 */
export function freeTables(shape: SchemaShape): ReadonlySet<string> {
  const groups = tableGroups(shape);
  return new Set(
    [...shape.tables]
      .filter(
        ([name, { columns }]) =>
          !groups.has(name) && !columns.some(({ referred }) => referred),
      )
      .map(([name]) => name),
  );
}

/** Tables that a foreign key links to another one of the schema, by name. */
export function linkedTables(shape: SchemaShape): string[] {
  const names = namesByPlace(shape);
  const linked = new Set<string>();
  for (const [name, { foreignKeys }] of shape.tables) {
    for (const { parentSchema, parentTable } of foreignKeys) {
      const parent = names.get(tableKey(parentSchema, parentTable));
      if (parent !== undefined && parent !== name) {
        linked.add(name).add(parent);
      }
    }
  }
  return [...linked].toSorted();
}

/** Tables whose primary key has other columns, or another order, than before. */
export function rekeyedTables(
  before: SchemaShape,
  after: SchemaShape,
): string[] {
  const keyOf = (shape: SchemaShape, table: string): string =>
    JSON.stringify(
      shape.tables.get(table)?.primaryKey.map(({ name }) => name) ?? null,
    );
  return [...before.tables.keys()].filter(
    (table) => keyOf(before, table) !== keyOf(after, table),
  );
}
