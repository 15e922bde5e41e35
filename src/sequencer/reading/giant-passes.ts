import { objectMembers } from '../../mutation/json-text.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import { isHard, tableOrder } from '../../target/table-order.ts';
import type {
  ApplyOrder,
  ForeignKey,
  SchemaShape,
  TableShape,
} from '../../target/target.ts';
import { tableKey } from '../../target/table-order.ts';
import { namesByPlace } from '../ordering/table-links.ts';

/**
 * By name: columns that refer to rows of the same circle, and whether they must
 * be null meanwhile, as a default, or half of the reference, would be wrong.
 */
type LevelLinks = ReadonlyMap<string, boolean>;

/** One reading of a giant transaction: which of its rows come now. */
export interface GiantPass {
  /**
   * Unlinks: of rows that are deleted, before any of them is. Parkings: rows
   * give up their unique values, written or deleted.
   */
  readonly kind: 'upserts' | 'unlinks' | 'deletes' | 'parkings';
  readonly tables: ReadonlySet<string>;
  /** By table: columns that come in a later pass. */
  readonly links: ReadonlyMap<string, LevelLinks>;
  /** Of `parkings`: tables whose deletes have come. */
  readonly deletedBefore?: ReadonlySet<string>;
}

/**
 * In which order the rows of a transaction must come that is too large to be
 * sorted in memory. Null where no foreign key ties the tables: any order does.
 *
 *     upserts   parents before children, one pass for each level of the graph;
 *               references to the table itself, or around a circle, are left
 *               out where they may be null
 *     upserts   once more, whole, of the tables with something left out
 *     unlinks   rows that go lose such references
 *     deletes   children before parents
 */
export function giantPasses(shape: SchemaShape): GiantPass[] | null {
  const places = namesByPlace(shape);
  const tables = [...shape.tables.values()];
  if (!tables.some((table) => parentsOf(table, places).length > 0)) {
    return null;
  }
  const levels: { names: Set<string>; links: Map<string, LevelLinks> }[] = [];
  const levelOf = new Map<string, number>();
  for (const group of tableOrder(tables)) {
    const inGroup = new Set(group.map((table) => nameOf(table, places)));
    const outer = group
      .flatMap((table) => parentsOf(table, places))
      .filter((parent) => !inGroup.has(parent));
    for (const table of group) {
      // In a circle those that they must have from the start go before them.
      const inner = table.foreignKeys.flatMap((link) =>
        isHard(link, table) ? (parentNameOf(link, places) ?? []) : [],
      );
      const level = Math.max(
        0,
        ...[...outer, ...inner].map((each) => (levelOf.get(each) ?? -1) + 1),
      );
      levels[level] ??= { names: new Set(), links: new Map() };
      const name = nameOf(table, places);
      levelOf.set(name, level);
      levels[level].names.add(name);
      const links = referencesWithin(table, inGroup, places);
      if (links.size > 0) {
        levels[level].links.set(name, links);
      }
    }
  }
  const upserts = levels.map(({ names, links }): GiantPass => ({
    kind: 'upserts',
    tables: names,
    links,
  }));
  const linkedTables = new Set(
    levels.flatMap(({ links }) => [...links.keys()]),
  );
  const second: readonly GiantPass[] =
    linkedTables.size === 0
      ? []
      : [
          { kind: 'upserts', tables: linkedTables, links: noLinks },
          { kind: 'unlinks', tables: linkedTables, links: noLinks },
        ];
  return [
    ...upserts,
    ...second,
    ...levels.toReversed().map(({ names }) => ({
      kind: 'deletes' as const,
      tables: names,
      links: noLinks,
    })),
  ];
}

const noLinks: GiantPass['links'] = new Map();

/**
 * The same where no foreign key ties the tables. Deletes come last, as what
 * is written tells which of them to leave out (`sharesKey`).
 */
export function untiedPasses({ tables }: SchemaShape): GiantPass[] {
  const names = new Set(tables.keys());
  return [
    { kind: 'upserts', tables: names, links: noLinks },
    { kind: 'deletes', tables: names, links: noLinks },
  ];
}

/** The passes as a rung of the ladder would have them (attempt-plan.ts). */
export function passesInOrder(
  passes: readonly GiantPass[],
  shape: SchemaShape,
  order: ApplyOrder = 'upserts-first',
): readonly GiantPass[] {
  if (order === 'values-parked') {
    return valuesParked(passes, shape);
  }
  return order === 'deletes-first' ? deletesEarly(passes, shape) : passes;
}

/**
 * The same with deletes before the writes, for rows that take over unique
 * values of deleted ones. A delete that takes other rows along stays behind,
 * and so do those of the tables that its table refers to.
 */
function deletesEarly(
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
  return [
    ...passes.filter(({ kind }) => kind === 'unlinks'),
    ...deletesOf(passes, (name) => !late.has(name)),
    ...passes.filter(({ kind }) => kind === 'upserts'),
    ...deletesOf(passes, (name) => late.has(name)),
  ];
}

/**
 * The same where unique values pass between rows in any way: all rows give
 * up theirs before any is written, and deletes stay last, for whatever still
 * refers to their rows. Where nothing can refer to them or goes with them, so
 * that it is the same when they go, they go before all else: what they had,
 * and what they referred to, is free then.
 *
 * Whoever gives up a value in a column gets one there when it is written, as
 * it carries the column (parked-values.ts), or is deleted.
 */
function valuesParked(
  passes: readonly GiantPass[],
  shape: SchemaShape,
): GiantPass[] {
  const places = namesByPlace(shape);
  const parents = new Set(
    [...shape.tables.values()].flatMap((table) => parentsOf(table, places)),
  );
  const isLeaf = (name: string): boolean => {
    const { primaryKey, columns, deleteTakes } = shape.tables.get(name)!;
    return (
      primaryKey.length > 0 &&
      deleteTakes !== true &&
      !parents.has(name) &&
      !columns.some(({ referred }) => referred)
    );
  };
  const parked = new Set(
    [...shape.tables].flatMap(([name, { uniqueKeys, primaryKey }]) =>
      uniqueKeys.length > 0 && primaryKey.length > 0 ? name : [],
    ),
  );
  return [
    ...deletesOf(passes, isLeaf),
    ...(parked.size > 0
      ? [
          {
            kind: 'parkings' as const,
            tables: parked,
            links: noLinks,
            deletedBefore: new Set([...parked].filter(isLeaf)),
          },
        ]
      : []),
    ...passes.filter(({ kind }) => kind === 'upserts' || kind === 'unlinks'),
    ...deletesOf(passes, (name) => !isLeaf(name)),
  ];
}

function deletesOf(
  passes: readonly GiantPass[],
  isWanted: (name: string) => boolean,
): GiantPass[] {
  return passes
    .filter(({ kind }) => kind === 'deletes')
    .map((pass) => ({
      ...pass,
      tables: new Set([...pass.tables].filter(isWanted)),
    }))
    .filter(({ tables }) => tables.size > 0);
}

/** The row without the links: a sparse row, unless all of them are null. */
export function withoutLinks(after: JsonText, links: LevelLinks): JsonText {
  const kept = objectMembers(after).flatMap(({ name, value }) => {
    const isNulled = links.get(name);
    return isNulled === false
      ? []
      : `${JSON.stringify(name)}:${isNulled ? 'null' : value}`;
  });
  return `{${kept.join(',')}}` as JsonText;
}

/** Tables of other schemas stand in the shape under names of their own. */
type NamesByPlace = ReadonlyMap<string, string>;

function nameOf({ schema, name }: TableShape, places: NamesByPlace): string {
  return places.get(tableKey(schema, name))!;
}

function parentNameOf(
  { parentSchema, parentTable }: ForeignKey,
  places: NamesByPlace,
): string | undefined {
  return places.get(tableKey(parentSchema, parentTable));
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
): Map<string, boolean> {
  const links = new Map<string, boolean>();
  for (const link of table.foreignKeys) {
    if (!group.has(parentNameOf(link, places) ?? '')) {
      continue;
    }
    for (const name of link.columns) {
      const column = table.columnByName.get(name);
      if (column?.nullable && column.keyOrdinal === null) {
        const isHalf = column.hasDefault || link.columns.length > 1;
        // Whoever follows it into null would not follow it back.
        const isNulled = isHalf && !column.referred;
        links.set(name, isNulled || links.get(name) === true);
      }
    }
  }
  return links;
}
