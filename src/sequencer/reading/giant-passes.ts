import { objectMembers } from '../../mutation/json-text.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import { tableOrder } from '../../target/table-order.ts';
import type {
  ForeignKey,
  SchemaShape,
  TableShape,
} from '../../target/target.ts';
import { namesByPlace, placeOf } from '../ordering/table-links.ts';

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
  const places = namesByPlace(shape);
  const tables = [...shape.tables.values()];
  if (!tables.some((table) => parentsOf(table, places).length > 0)) {
    return null;
  }
  const levels: { names: Set<string>; leftOut: Map<string, Set<string>> }[] =
    [];
  const levelOf = new Map<string, number>();
  for (const group of tableOrder(tables)) {
    const inGroup = new Set(group.map((table) => nameOf(table, places)));
    const level = Math.max(
      0,
      ...group
        .flatMap((table) => parentsOf(table, places))
        .filter((parent) => !inGroup.has(parent))
        .map((parent) => levelOf.get(parent)! + 1),
    );
    levels[level] ??= { names: new Set(), leftOut: new Map() };
    for (const table of group) {
      const name = nameOf(table, places);
      levelOf.set(name, level);
      levels[level].names.add(name);
      const columns = referencesWithin(table, inGroup, places);
      if (columns.size > 0) {
        levels[level].leftOut.set(name, columns);
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

/**
 * The same where no foreign key ties the tables. Deletes come last, as what
 * is written tells which of them to leave out (`sharesKey`).
 */
export function untiedPasses({ tables }: SchemaShape): GiantPass[] {
  const names = new Set(tables.keys());
  const leftOut = new Map<string, Set<string>>();
  return [
    { kind: 'upserts', tables: names, leftOut },
    { kind: 'deletes', tables: names, leftOut },
  ];
}

/**
 * The same with deletes before the writes, for rows that take over unique
 * values of deleted ones. A delete that takes other rows along stays behind,
 * and so do those of the tables that its table refers to.
 */
export function deletesEarly(
  passes: readonly GiantPass[],
  shape: SchemaShape,
): GiantPass[] {
  const places = namesByPlace(shape);
  const late = new Set(
    [...shape.tables].flatMap(([name, { deleteTakes }]) =>
      deleteTakes === true ? name : [],
    ),
  );
  for (const name of late) {
    for (const parent of parentsOf(shape.tables.get(name)!, places)) {
      late.add(parent);
    }
  }
  const deletes = passes.filter(({ kind }) => kind === 'deletes');
  const only = (wanted: (name: string) => boolean): GiantPass[] =>
    deletes
      .map((pass) => ({
        ...pass,
        tables: new Set([...pass.tables].filter(wanted)),
      }))
      .filter(({ tables }) => tables.size > 0);
  return [
    ...only((name) => !late.has(name)),
    ...passes.filter(({ kind }) => kind === 'upserts'),
    ...only((name) => late.has(name)),
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

/** Tables of other schemas stand in the shape under names of their own. */
type NamesByPlace = ReadonlyMap<string, string>;

function nameOf({ schema, name }: TableShape, places: NamesByPlace): string {
  return places.get(placeOf(schema, name))!;
}

function parentNameOf(
  { parentSchema, parentTable }: ForeignKey,
  places: NamesByPlace,
): string | undefined {
  return places.get(placeOf(parentSchema, parentTable));
}

function parentsOf(table: TableShape, places: NamesByPlace): string[] {
  return table.foreignKeys
    .map((link) => parentNameOf(link, places))
    .filter((name) => name !== undefined);
}

function referencesWithin(
  table: TableShape,
  group: ReadonlySet<string>,
  places: NamesByPlace,
): Set<string> {
  return new Set(
    table.foreignKeys
      .filter((link) => group.has(parentNameOf(link, places) ?? ''))
      .flatMap(({ columns }) => columns)
      .filter((name) => {
        const column = table.columnByName.get(name);
        return column?.nullable && column.keyOrdinal === null;
      }),
  );
}
