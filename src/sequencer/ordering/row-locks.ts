/**
 * What two batches must not share to be applied side by side.
 *
 * A lock is a text. A batch takes locks exclusively or shares them:
 *
 *     a row that it writes              exclusive   table and key
 *     a row that one of its rows        shared      the parent's row, or its
 *     refers to                                     unique value
 *     a unique value that it writes     exclusive   table, columns, values
 *     a table whose rows refer to       shared      the table
 *     others
 *     tables that refer to a row that   exclusive   those tables: which of
 *     it deletes or moves                           their rows did so is not
 *                                                   known without `before`
 *
 * The values that a change takes away are known only where the feed carries
 * `before`. So these locks do not promise that two batches never meet. They
 * make it rare; a younger batch that fails beside elder ones proves nothing
 * and runs again behind them (ordered-apply.ts). Where that happens, batches
 * take *coarse* locks for a while: all tables that foreign keys link, or that
 * have a unique key beside their primary key, lock as one group.
 *
 * A table without a primary key is a group of its own in any case. Equal rows
 * have equal keys here too, but whoever looks for one reads the table to its
 * end, and on engines that lock what they read he would wait for rows of
 * younger batches.
 */
import { textHash } from '../../lib/text-hash.ts';
import { canonicalValue } from '../../mutation/canonical-key.ts';
import type { JsonText, TableMutations } from '../../mutation/mutation.ts';
import { isTruncation } from '../../mutation/mutation.ts';
import { tableKey } from '../../target/table-order.ts';
import type { SchemaShape, TableShape } from '../../target/target.ts';
import { MemberPicker } from './member-picker.ts';
import { namesByPlace, tableGroups } from './table-links.ts';

/** No name stands in both `exclusive` and `shared`. */
export interface LockSet {
  readonly exclusive: ReadonlySet<string>;
  readonly shared: ReadonlySet<string>;
  /**
   * Rows of tables that stand alone, taken exclusively: hashes of their keys by
   * table. Nobody else names them, so that they need no name (held-rows.ts).
   */
  readonly rows: ReadonlyMap<string, Int32Array>;
}

export type LockNames = (
  tables: readonly TableMutations[],
  /** Names of others, to be taken exclusively. */
  more?: readonly string[],
) => LockSet;

export type LockGrain = 'fine' | 'coarse';

/** Lock names under one version of the schema; make anew when it changes. */
export function lockNames(shape: SchemaShape, grain: LockGrain): LockNames {
  const plans = plansOf(shape, grain);
  return (tables, more) => {
    const exclusive = new Set<string>(more);
    const shared = new Set<string>();
    const rows = new Map<string, Int32Array>();
    for (const part of tables) {
      const { table } = part;
      const plan = plans.get(table) ?? unlinkedPlan(table);
      if (plan.links === null) {
        if (plan.group === null) {
          rows.set(table, joined(rows.get(table), keyHashesOf(part)));
        } else {
          exclusive.add(plan.group);
        }
        continue;
      }
      const { mutations } = part;
      for (const name of plan.group === null
        ? keysOf(mutations).map((key) => plan.rowPrefix + key)
        : [plan.group]) {
        exclusive.add(name);
      }
      addLinks(plan.links, mutations, { exclusive, shared });
    }
    for (const name of exclusive) {
      shared.delete(name);
    }
    return { exclusive, shared, rows };
  };
}

/**
 * Whether a table is emptied: that touches all its rows, and locks the tables
 * that refer to it. Such a batch shares the target with no other.
 */
export function emptiesTable(tables: readonly TableMutations[]): boolean {
  return tables.some((part) =>
    part.encoded ? part.encoded.isEmptied : part.mutations.some(isTruncation),
  );
}

interface TablePlan {
  /** The one lock of all rows; null where each has its own. */
  readonly group: string | null;
  readonly rowPrefix: string;
  /** What rows share with others than themselves; null where nothing. */
  readonly links: TableLinks | null;
}

interface TableLinks {
  readonly picker: MemberPicker;
  /** Shared by whoever writes a row; null for tables that refer to none. */
  readonly ownReferences: string | null;
  /** Of the tables that refer to this one, and of those that refer to them. */
  readonly takenReferences: readonly string[];
  readonly parents: readonly ValueLock[];
  readonly uniqueValues: readonly ValueLock[];
}

/** A lock named by values: `places` in what the picker picks. */
interface ValueLock {
  readonly prefix: string;
  readonly places: readonly number[];
}

const plansByShape: Record<
  LockGrain,
  WeakMap<SchemaShape, ReadonlyMap<string, TablePlan>>
> = { fine: new WeakMap(), coarse: new WeakMap() };

function plansOf(
  shape: SchemaShape,
  grain: LockGrain,
): ReadonlyMap<string, TablePlan> {
  const known = plansByShape[grain].get(shape);
  if (known) {
    return known;
  }
  const plans = grain === 'fine' ? finePlans(shape) : coarsePlans(shape);
  plansByShape[grain].set(shape, plans);
  return plans;
}

/** A table that the shape does not have, or that stands alone. */
function unlinkedPlan(table: string): TablePlan {
  return { group: null, rowPrefix: rowPrefix(table), links: null };
}

function coarsePlans(shape: SchemaShape): Map<string, TablePlan> {
  const groupOf = tableGroups(shape);
  return new Map(
    [...shape.tables.keys()].map((name) => [
      name,
      { ...unlinkedPlan(name), group: groupOf.get(name) ?? null },
    ]),
  );
}

function finePlans(shape: SchemaShape): Map<string, TablePlan> {
  const names = namesByPlace(shape);
  const childrenOf = Map.groupBy(
    [...shape.tables].flatMap(([child, { foreignKeys }]) =>
      foreignKeys.map(({ parentSchema, parentTable }) => ({
        child,
        parent: names.get(tableKey(parentSchema, parentTable)) ?? null,
      })),
    ),
    ({ parent }) => parent,
  );
  return new Map(
    [...shape.tables].map(([name, table]) => {
      const isKeyless = table.primaryKey.length === 0;
      const reached = new Set<string>([name]);
      for (const each of reached) {
        for (const { child } of childrenOf.get(each) ?? []) {
          reached.add(child);
        }
      }
      const refersToItself = (childrenOf.get(name) ?? []).some(
        ({ child }) => child === name,
      );
      const taken = [...reached].filter(
        (each) => each !== name || refersToItself,
      );
      return [
        name,
        {
          group: isKeyless ? `\u0000table ${name}` : null,
          rowPrefix: rowPrefix(name),
          links: linksOf(table, name, { shape, names, taken }),
        },
      ];
    }),
  );
}

function linksOf(
  table: TableShape,
  name: string,
  {
    shape,
    names,
    taken,
  }: {
    readonly shape: SchemaShape;
    readonly names: ReadonlyMap<string, string>;
    readonly taken: readonly string[];
  },
): TableLinks | null {
  const { foreignKeys, uniqueKeys } = table;
  if (
    foreignKeys.length === 0 &&
    uniqueKeys.length === 0 &&
    taken.length === 0
  ) {
    return null;
  }
  const columns = [...new Set([...foreignKeys, ...uniqueKeys].flatMap(listOf))];
  const placesOf = (list: readonly string[]): number[] =>
    list.map((column) => columns.indexOf(column));
  return {
    picker: new MemberPicker(columns),
    ownReferences: foreignKeys.length > 0 ? referencesOf(name) : null,
    takenReferences: taken.map(referencesOf),
    parents: foreignKeys.flatMap((foreignKey) => {
      const parentName = names.get(
        tableKey(foreignKey.parentSchema, foreignKey.parentTable),
      );
      const parent = parentName && shape.tables.get(parentName);
      if (!parentName || !parent) {
        return [];
      }
      const key = parent.primaryKey.map((column) => column.name);
      const isByKey = sameColumns(key, foreignKey.parentColumns);
      const unique = parent.uniqueKeys.find((list) =>
        sameColumns(list, foreignKey.parentColumns),
      );
      const inOrder = isByKey ? key : unique;
      return inOrder === undefined
        ? []
        : {
            prefix: isByKey
              ? rowPrefix(parentName)
              : uniquePrefix(parentName, inOrder),
            places: placesOf(
              inOrder.map(
                (column) =>
                  foreignKey.columns[foreignKey.parentColumns.indexOf(column)]!,
              ),
            ),
          };
    }),
    uniqueValues: uniqueKeys.map((list) => ({
      prefix: uniquePrefix(name, list),
      places: placesOf(list),
    })),
  };
}

function keyHashesOf(part: TableMutations): Int32Array {
  if (part.encoded) {
    return part.encoded.keyHashes;
  }
  const keys = keysOf(part.mutations);
  const hashes = new Int32Array(keys.length);
  for (let at = 0; at < keys.length; at += 1) {
    hashes[at] = textHash(keys[at]!);
  }
  return hashes;
}

function joined(first: Int32Array | undefined, second: Int32Array): Int32Array {
  if (first === undefined) {
    return second;
  }
  const both = new Int32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function keysOf(mutations: TableMutations['mutations']): string[] {
  const keys: string[] = [];
  for (const { key, movedFrom } of mutations) {
    keys.push(key);
    if (movedFrom !== undefined) {
      keys.push(movedFrom);
    }
  }
  return keys;
}

function addLinks(
  links: TableLinks,
  mutations: TableMutations['mutations'],
  names: { readonly exclusive: Set<string>; readonly shared: Set<string> },
): void {
  const { picker, ownReferences, takenReferences } = links;
  if (ownReferences !== null) {
    names.shared.add(ownReferences);
  }
  let hasTaken = takenReferences.length === 0;
  for (const { after, before, movedFrom } of mutations) {
    if (!hasTaken && (after === null || movedFrom !== undefined)) {
      hasTaken = true;
      for (const name of takenReferences) {
        names.exclusive.add(name);
      }
    }
    for (const row of [after, before]) {
      const values = row === null ? null : picker.pick(row);
      if (values !== null) {
        addValues(links.parents, values, names.shared);
        addValues(links.uniqueValues, values, names.exclusive);
      }
    }
  }
}

/** Nothing for what the row does not carry whole, or where it has null. */
function addValues(
  locks: readonly ValueLock[],
  values: readonly (JsonText | null)[],
  names: Set<string>,
): void {
  for (const { prefix, places } of locks) {
    let name = `${prefix}[`;
    let isWhole = true;
    for (let at = 0; at < places.length; at += 1) {
      const value = values[places[at]!]!;
      if (value === null || value === 'null') {
        isWhole = false;
        break;
      }
      name += at > 0 ? `,${canonicalValue(value)}` : canonicalValue(value);
    }
    if (isWhole) {
      names.add(`${name}]`);
    }
  }
}

function rowPrefix(table: string): string {
  return `${table}\u0000`;
}

function uniquePrefix(table: string, columns: readonly string[]): string {
  return `\u0000unique ${JSON.stringify([table, ...columns])}`;
}

function referencesOf(table: string): string {
  return `\u0000references ${table}`;
}

function sameColumns(
  left: readonly string[],
  right: readonly string[],
): boolean {
  return (
    left.length === right.length && left.every((name) => right.includes(name))
  );
}

function listOf(
  key: readonly string[] | TableShape['foreignKeys'][number],
): readonly string[] {
  return 'columns' in key ? key.columns : key;
}
