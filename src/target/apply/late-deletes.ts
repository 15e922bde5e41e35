/**
 * Deletes that stay behind writes, for they may take rows that are kept, come
 * as early as they can where they must make way themselves: a row that refers
 * to a unique value has to be gone before the row that has the value gets
 * another one.
 *
 * Invariants, in every order that comes out of here:
 * - a delete is behind the writes of its own table and of every table of the
 *   batch that it can reach, so it finds only what still refers to its row;
 * - rows are deleted children before parents;
 * - parents are written before children, but where the reference waits for the
 *   commit and is to the primary key, which no write changes.
 */
import type { FoldedTable } from './folded-table.ts';
import { tableKey } from '../table-order.ts';
import type { ForeignKey, TableShape } from '../target.ts';

export interface Step {
  readonly kind: 'write' | 'delete';
  readonly entry: FoldedTable;
}

interface Reference {
  readonly child: FoldedTable;
  readonly parent: FoldedTable;
  readonly key: ForeignKey;
}

/**
 * Null where the usual order will do, all writes and then all deletes, or
 * where there is no order that does better. `folded` stands in the order of
 * tableOrder(), `late` are those whose deletes are not done yet.
 */
export function stepsWithDeletes(
  folded: readonly FoldedTable[],
  late: readonly FoldedTable[],
): readonly Step[] | null {
  const lateOnes = new Set(late.filter(deletesAny));
  const references = referencesAmong(folded);
  const inTheWay = references.filter(
    ({ child, parent, key }) =>
      child !== parent &&
      lateOnes.has(child) &&
      !key.deferrable &&
      writesReferred(parent, key),
  );
  if (inTheWay.length === 0) {
    return null;
  }
  const usual: Step[] = [
    ...folded
      .filter(writesAny)
      .map((entry): Step => ({ kind: 'write', entry })),
    ...folded
      .filter((entry) => lateOnes.has(entry))
      .toReversed()
      .map((entry): Step => ({ kind: 'delete', entry })),
  ];
  const write = stepOf(usual, 'write');
  const remove = stepOf(usual, 'delete');
  const before = new Map(usual.map((step) => [step, new Set<Step>()]));
  const order = (first: Step | undefined, then: Step | undefined): void => {
    if (first && then) {
      before.get(then)!.add(first);
    }
  };
  for (const { child, parent, key } of references) {
    if (
      child !== parent &&
      !(key.deferrable && endsAtPrimaryKey(key, parent))
    ) {
      order(write.get(parent), write.get(child));
    }
  }
  for (const entry of lateOnes) {
    const step = remove.get(entry);
    order(write.get(entry), step);
    for (const reached of reachedFrom(entry, references)) {
      order(write.get(reached), step);
      if (reached !== entry) {
        order(remove.get(reached), step);
      }
    }
  }
  for (const { child, parent } of inTheWay) {
    order(remove.get(child), write.get(parent));
  }
  return inOrder(usual, before);
}

/** The first that may come, again and again; null where they form a circle. */
function inOrder(
  steps: readonly Step[],
  before: ReadonlyMap<Step, ReadonlySet<Step>>,
): Step[] | null {
  const done = new Set<Step>();
  while (done.size < steps.length) {
    const next = steps.find(
      (step) => !done.has(step) && before.get(step)!.isSubsetOf(done),
    );
    if (!next) {
      return null;
    }
    done.add(next);
  }
  return [...done];
}

/** Tables whose rows a delete may take or change, however far they are. */
function reachedFrom(
  entry: FoldedTable,
  references: readonly Reference[],
): ReadonlySet<FoldedTable> {
  const reached = new Set<FoldedTable>();
  const add = (from: FoldedTable): void => {
    for (const { child, parent } of references) {
      if (parent === from) {
        reached.add(child);
      }
    }
  };
  add(entry);
  for (const each of reached) {
    add(each);
  }
  return reached;
}

function referencesAmong(folded: readonly FoldedTable[]): Reference[] {
  const byName = new Map(folded.map((entry) => [nameOf(entry.table), entry]));
  return folded.flatMap((child) =>
    child.table.foreignKeys.flatMap((key) => {
      const parent = byName.get(tableKey(key.parentSchema, key.parentTable));
      return parent ? [{ child, parent, key }] : [];
    }),
  );
}

/** Whether a value that the key ends at may change by being written. */
function writesReferred(
  { table, rows }: FoldedTable,
  key: ForeignKey,
): boolean {
  return (
    !endsAtPrimaryKey(key, { table }) &&
    rows.some(
      ({ columns, replace }) =>
        replace === true ||
        columns.some(
          ({ name, keyOrdinal }) =>
            keyOrdinal === null && key.parentColumns.includes(name),
        ),
    )
  );
}

function endsAtPrimaryKey(
  { parentColumns }: ForeignKey,
  { table }: Pick<FoldedTable, 'table'>,
): boolean {
  return parentColumns.every(
    (name) => table.columnByName.get(name)?.keyOrdinal != null,
  );
}

function stepOf(
  steps: readonly Step[],
  kind: Step['kind'],
): ReadonlyMap<FoldedTable, Step> {
  return new Map(
    steps
      .filter((step) => step.kind === kind)
      .map((step) => [step.entry, step]),
  );
}

function writesAny({ rows, inserted }: FoldedTable): boolean {
  return rows.length > 0 || inserted.length > 0;
}

function deletesAny({ deleted, deletedRows }: FoldedTable): boolean {
  return deleted.length > 0 || deletedRows.length > 0;
}

function nameOf({ schema, name }: TableShape): string {
  return tableKey(schema, name);
}
