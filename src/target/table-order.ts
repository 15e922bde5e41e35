/** Parents before children: a topological order of the foreign-key graph. */
import { strongComponents } from '../lib/strong-components.ts';
import type { ColumnShape, ForeignKey, TableShape } from './target.ts';

/**
 * Groups of tables; every table a group refers to stands in the same group or
 * in an earlier one. A group has more than one table only where they refer to
 * one another in a cycle; within it references that must be there from the
 * start go before others. Self references and tables outside are no matter.
 * Stable: where nothing forces an order, the given one is kept.
 */
export function tableOrder(tables: readonly TableShape[]): TableShape[][] {
  return components(tables, () => true).map((group) =>
    group.length === 1 ? group : components(group, isHard).flat(),
  );
}

/** Whether rows can neither wait for the commit nor be without their parent. */
export function isHard(key: ForeignKey, table: TableShape): boolean {
  return !key.deferrable && linkColumn(key, table) === null;
}

/** A column that, while it is null, lets a row be without its parent. */
export function linkColumn(
  { columns }: ForeignKey,
  table: TableShape,
): ColumnShape | null {
  const all = columns.map((name) => table.columnByName.get(name));
  return (
    all.find(
      (column) =>
        column?.nullable && !column.generated && column.keyOrdinal === null,
    ) ?? null
  );
}

/** Where each table stands in the list, by {@link tableKey}. */
export function placesOf(
  list: readonly { readonly table: TableShape }[],
): ReadonlyMap<string, number> {
  return new Map(
    list.map(({ table }, place) => [tableKey(table.schema, table.name), place]),
  );
}

/** What names a table across schemas. */
export function tableKey(schema: string, name: string): string {
  return `${schema}\0${name}`;
}

function components(
  tables: readonly TableShape[],
  follows: (key: ForeignKey, table: TableShape) => boolean,
): TableShape[][] {
  const byName = new Map(
    tables.map((table) => [tableKey(table.schema, table.name), table]),
  );
  return strongComponents(tables, (table) =>
    table.foreignKeys
      .filter((key) => follows(key, table))
      .flatMap(
        ({ parentSchema, parentTable }) =>
          byName.get(tableKey(parentSchema, parentTable)) ?? [],
      ),
  );
}
