import { objectMembers } from '../mutation/json-text.ts';
import type { JsonText } from '../mutation/mutation.ts';
import { tableOrder } from '../target/table-order.ts';
import type { SchemaShape, TableShape } from '../target/target.ts';

/** One reading of a giant transaction: which of its rows come now. */
export interface GiantPass {
  readonly kind: 'upserts' | 'deletes';
  readonly tables: ReadonlySet<string>;
  /** By table: columns that come later, in a pass of their own. */
  readonly leftOut: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * In which order the rows of a transaction must come that is too large to be
 * sorted in memory. Null where no foreign key ties the tables: any order does.
 *
 *     upserts   parents before children, one pass for each level of the graph;
 *               references within a level (to the table itself, or around a
 *               cycle) are left out where they may be null
 *     upserts   once more, whole, of the tables with something left out
 *     deletes   children before parents
 */
export function giantPasses(shape: SchemaShape): GiantPass[] | null {
  const tables = [...shape.tables.values()];
  if (!tables.some((table) => parentsOf(table, shape).length > 0)) {
    return null;
  }
  const levels: { names: Set<string>; leftOut: Map<string, Set<string>> }[] =
    [];
  const levelOf = new Map<string, number>();
  for (const group of tableOrder(tables)) {
    const inGroup = new Set(group.map(({ name }) => name));
    const level = Math.max(
      0,
      ...group
        .flatMap((table) => parentsOf(table, shape))
        .filter((parent) => !inGroup.has(parent))
        .map((parent) => levelOf.get(parent)! + 1),
    );
    levels[level] ??= { names: new Set(), leftOut: new Map() };
    for (const table of group) {
      levelOf.set(table.name, level);
      levels[level].names.add(table.name);
      const columns = referencesWithin(table, inGroup, shape);
      if (columns.size > 0) {
        levels[level].leftOut.set(table.name, columns);
      }
    }
  }
  const upserts = levels.map(({ names, leftOut }): GiantPass => ({
    kind: 'upserts',
    tables: names,
    leftOut,
  }));
  const again = new Set(levels.flatMap(({ leftOut }) => [...leftOut.keys()]));
  const nothing = new Map<string, Set<string>>();
  return [
    ...upserts,
    ...(again.size > 0
      ? [{ kind: 'upserts' as const, tables: again, leftOut: nothing }]
      : []),
    ...levels.toReversed().map(({ names }) => ({
      kind: 'deletes' as const,
      tables: names,
      leftOut: nothing,
    })),
  ];
}

/** The row without some of its members: a sparse row. */
export function withoutMembers(
  after: JsonText,
  names: ReadonlySet<string>,
): JsonText {
  const kept = objectMembers(after)
    .filter(({ name }) => !names.has(name))
    .map(({ name, value }) => `${JSON.stringify(name)}:${value}`);
  return `{${kept.join(',')}}` as JsonText;
}

function parentsOf(table: TableShape, shape: SchemaShape): string[] {
  return table.foreignKeys
    .filter(
      ({ parentSchema, parentTable }) =>
        parentSchema === shape.name && shape.tables.has(parentTable),
    )
    .map(({ parentTable }) => parentTable);
}

function referencesWithin(
  table: TableShape,
  group: ReadonlySet<string>,
  shape: SchemaShape,
): Set<string> {
  return new Set(
    table.foreignKeys
      .filter(
        ({ parentSchema, parentTable }) =>
          parentSchema === shape.name && group.has(parentTable),
      )
      .flatMap(({ columns }) => columns)
      .filter((name) => {
        const column = table.columnByName.get(name);
        return column?.nullable && column.keyOrdinal === null;
      }),
  );
}
