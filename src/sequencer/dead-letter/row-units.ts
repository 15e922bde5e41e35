/** What stands or falls together when a source transaction is taken apart. */
import {
  isTruncation,
  type JsonText,
  type Mutation,
} from '../../mutation/mutation.ts';
import { tableOrder } from '../../target/table-order.ts';
import type { TableRows, TableShape } from '../../target/target.ts';

/**
 * All versions of one row in one source transaction, also under the key that
 * it had before: if the newest does not go, no older one may be left instead.
 */
export interface RowUnit {
  readonly table: TableShape;
  /** In the order of the table's list. */
  readonly mutations: readonly Mutation[];
}

/**
 * The rows of one source transaction, parents before children, and children
 * before parents those that end as deletes. A truncation is of no unit.
 */
export function rowUnits(tables: readonly TableRows[]): RowUnit[] {
  const inOrder = byTableOrder(tables).map((rows) => unitsOf(rows));
  return [
    ...inOrder.flatMap((units) => units.filter((unit) => !isDeletion(unit))),
    ...inOrder
      .toReversed()
      .flatMap((units) => units.filter((unit) => isDeletion(unit))),
  ];
}

/** Whether nothing of the row is left. */
export function isDeletion({ mutations }: RowUnit): boolean {
  return (
    mutations.at(-1)!.after === null &&
    mutations.every(({ movedFrom }) => movedFrom === undefined)
  );
}

/** The tables with the mutations of the units, and their truncations. */
export function rowsOfUnits(
  tables: readonly TableRows[],
  units: readonly RowUnit[],
): TableRows[] {
  const wanted = new Set(units.flatMap(({ mutations }) => mutations));
  return tables
    .map(({ table, mutations }) => ({
      table,
      mutations: mutations.filter(
        (mutation) => wanted.has(mutation) || isTruncation(mutation),
      ),
    }))
    .filter(({ mutations }) => mutations.length > 0);
}

/**
 * What of a unit must be kept to do it again later: of a row that keeps its
 * key nothing older than its last delete or whole version.
 */
export function neededMutations(
  { table, mutations }: RowUnit,
  isWhole: (after: JsonText) => boolean,
): readonly Mutation[] {
  const isKeyless = table.primaryKey.length === 0;
  if (mutations.length === 1 || isKeyless || !isOfOneKey(mutations)) {
    return mutations;
  }
  const last = mutations.findLastIndex(
    ({ after }) => after === null || isWhole(after),
  );
  return mutations.slice(Math.max(0, last));
}

function isOfOneKey(mutations: readonly Mutation[]): boolean {
  const { key } = mutations[0]!;
  return mutations.every(
    (mutation) => mutation.key === key && mutation.movedFrom === undefined,
  );
}

function unitsOf({ table, mutations }: TableRows): RowUnit[] {
  const joined = new Map<JsonText, JsonText>();
  const nameOf = (key: JsonText): JsonText => {
    let name = key;
    for (let next = joined.get(name); next; next = joined.get(name)) {
      name = next;
    }
    return name;
  };
  for (const { key, movedFrom } of mutations) {
    if (movedFrom !== undefined && nameOf(movedFrom) !== nameOf(key)) {
      joined.set(nameOf(movedFrom), nameOf(key));
    }
  }
  const rows = mutations.filter((mutation) => !isTruncation(mutation));
  return Map.groupBy(rows, ({ key }) => nameOf(key))
    .values()
    .map((unit) => ({ table, mutations: unit }))
    .toArray();
}

function byTableOrder(tables: readonly TableRows[]): TableRows[] {
  const byTable = new Map(tables.map((rows) => [rows.table, rows]));
  return tableOrder(tables.map(({ table }) => table))
    .flat()
    .map((table) => byTable.get(table)!);
}
