/**
 * What a delete takes along at the target (foreign keys that cascade or set
 * null, triggers) and what the batch keeps: the two must not meet.
 *
 * Behind the writes a delete finds only what still refers to its row, as it
 * did at the source. Ahead of them it would take rows that are about to refer
 * to another one, with all that refers to them.
 */
import { ReplicatorError } from '../../failure/failure.ts';
import type { FoldedTable } from './folded-table.ts';
import { tableKey } from '../table-order.ts';
import type { ForeignKey, TableShape } from '../target.ts';

/**
 * Tables whose deletes, ahead of the writes, may take what the batch does not
 * give back.
 */
export function takingTables(
  folded: readonly FoldedTable[],
): ReadonlySet<FoldedTable> {
  const taking = folded.filter(
    (entry) => entry.table.deleteTakes && deletesAny(entry),
  );
  if (taking.length === 0 || !folded.some(keepsRows)) {
    return new Set();
  }
  const childrenOf = Map.groupBy(
    folded.flatMap((child) =>
      parentNames(child).map((parent) => ({ parent, child })),
    ),
    ({ parent }) => parent,
  );
  return new Set(
    taking.filter((entry) => {
      const reached = new Set([entry]);
      for (const { table } of reached) {
        // Where deleting has no effect, what refers to the row forbids it.
        const links = table.deleteTakes ? childrenOf.get(nameOf(table)) : [];
        for (const { child } of links ?? []) {
          if (keepsRows(child)) {
            return true;
          }
          reached.add(child);
        }
      }
      return false;
    }),
  );
}

/** With the tables that they refer to, whose rows cannot go before theirs. */
export function withParents(
  folded: readonly FoldedTable[],
  chosen: ReadonlySet<FoldedTable>,
): ReadonlySet<FoldedTable> {
  const byName = new Map(folded.map((entry) => [nameOf(entry.table), entry]));
  const all = new Set(chosen);
  for (const entry of all) {
    for (const name of parentNames(entry)) {
      const parent = byName.get(name);
      if (parent) {
        all.add(parent);
      }
    }
  }
  return all;
}

/**
 * Of these, and of tables that refer to them, rows go early: none of them is
 * a parent of one that stays until the end.
 */
export function withChildren(
  folded: readonly FoldedTable[],
  chosen: ReadonlySet<FoldedTable>,
): ReadonlySet<FoldedTable> {
  const names = new Set([...chosen].map(nameOfEntry));
  const all = new Set(chosen);
  let size: number;
  do {
    size = all.size;
    for (const entry of folded) {
      if (parentNames(entry).some((name) => names.has(name))) {
        all.add(entry);
        names.add(nameOfEntry(entry));
      }
    }
  } while (all.size > size);
  return all;
}

/** A row must go so that another can move to its key, and may not go yet. */
export function freedRefusal({ schema, name }: TableShape): ReplicatorError {
  return new ReplicatorError('E4013', {
    detail: `a row of table ${schema}.${name} was deleted at the source and another has got its key; here deleting it would take rows that refer to it and are kept`,
    remedy:
      'let the foreign keys to the table at the target take no action on delete, and drop its triggers on delete, until this has been applied',
  });
}

/** A unique value that only a delete sets free, which may not come yet. */
export function heldValueRefusal(
  { schema, name }: TableShape,
  cause: ReplicatorError,
): ReplicatorError {
  return new ReplicatorError('E4013', {
    detail: `${cause.message}; a row of table ${schema}.${name} that the source has deleted may hold the value, and deleting it first would take rows that refer to it and are kept`,
    remedy:
      'remove the row that stands in the way, or let the columns of the unique key be null at the target, or its foreign keys to the table take no action on delete, until this has been applied',
    cause,
  });
}

function deletesAny({ deleted, deletedRows, freed }: FoldedTable): boolean {
  return deleted.length > 0 || deletedRows.length > 0 || freed.length > 0;
}

/**
 * Whether what is written could not make good that a row had been taken: the
 * row does not carry all of its columns, or others go with it. Of a table
 * without a primary key rows are looked for as they were.
 */
function keepsRows({ table, rows, deletedRows }: FoldedTable): boolean {
  if (rows.length === 0) {
    return deletedRows.length > 0;
  }
  const wholeCount = table.columns.filter(({ generated }) => !generated).length;
  return (
    table.deleteTakes === true ||
    rows.some(({ columns, replace }) => !replace && columns.length < wholeCount)
  );
}

function parentNames({ table }: FoldedTable): string[] {
  return table.foreignKeys.map(({ parentSchema, parentTable }: ForeignKey) =>
    tableKey(parentSchema, parentTable),
  );
}

function nameOfEntry({ table }: FoldedTable): string {
  return nameOf(table);
}

function nameOf({ schema, name }: TableShape): string {
  return tableKey(schema, name);
}
