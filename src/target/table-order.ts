/** Parents before children: a topological order of the foreign-key graph. */
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
  // Tarjan's algorithm emits a component after all that it can reach, and
  // edges lead from child to parent: parents come out first. Iterative, for a
  // chain of a few thousand tables must not end in a stack overflow.
  const byName = new Map(
    tables.map((table) => [tableKey(table.schema, table.name), table]),
  );
  const visits = new Map<TableShape, Visit>();
  const stack: Visit[] = [];
  const groups: TableShape[][] = [];
  const places = new Map(tables.map((table, place) => [table, place]));

  const enter = (table: TableShape): Visit => {
    const number = visits.size;
    const parents = table.foreignKeys
      .filter((key) => follows(key, table))
      .map(({ parentSchema, parentTable }) =>
        byName.get(tableKey(parentSchema, parentTable)),
      )
      .filter((parent) => parent !== undefined);
    const visit = {
      table,
      number,
      low: number,
      onStack: true,
      parents,
      next: 0,
    };
    visits.set(table, visit);
    stack.push(visit);
    return visit;
  };

  for (const root of tables) {
    if (visits.has(root)) {
      continue;
    }
    const path = [enter(root)];
    while (path.length > 0) {
      const visit = path.at(-1)!;
      const parent = visit.parents[visit.next++];
      if (parent !== undefined) {
        const seen = visits.get(parent);
        if (!seen) {
          path.push(enter(parent));
        } else if (seen.onStack) {
          visit.low = Math.min(visit.low, seen.number);
        }
        continue;
      }
      path.pop();
      const child = path.at(-1);
      if (child) {
        child.low = Math.min(child.low, visit.low);
      }
      if (visit.low === visit.number) {
        groups.push(
          popGroup(stack, visit).toSorted(
            (a, b) => places.get(a)! - places.get(b)!,
          ),
        );
      }
    }
  }
  return groups;
}

interface Visit {
  readonly table: TableShape;
  readonly number: number;
  /** The smallest number on the stack that can be reached from here. */
  low: number;
  onStack: boolean;
  readonly parents: readonly TableShape[];
  next: number;
}

function popGroup(stack: Visit[], root: Visit): TableShape[] {
  const group = stack.splice(stack.lastIndexOf(root));
  for (const visit of group) {
    visit.onStack = false;
  }
  return group.map(({ table }) => table);
}
