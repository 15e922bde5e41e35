/** One batch into one open target transaction: fold, order, cut, write. */
import {
  deletes,
  deletesUnreferred,
  lateVacations,
  moves,
  type PassedValues,
  type Statement,
  truncations,
  vacations,
  writes,
  writesAndDeletes,
} from './apply/apply-steps.ts';
import {
  circularLinks,
  linkWrites,
  refuseCircle,
  unlinks,
  unlinksOfAll,
  withoutLinks,
} from './apply/circular-links.ts';
import { type FoldedTable, foldTable } from './apply/folded-table.ts';
import { followedWrites } from './apply/followed-links.ts';
import { stepsWithDeletes } from './apply/late-deletes.ts';
import { canPark, parkings } from './apply/parked-values.ts';
import { tableOrder } from './table-order.ts';
import {
  freedRefusal,
  takingTables,
  withChildren,
  withParents,
} from './apply/taken-rows.ts';
import type {
  Applier,
  ApplyOrder,
  TableRows,
  TableShape,
  TargetTransaction,
} from './target.ts';

export interface ApplierOptions {
  /** Only the newest version of a row crosses; else every source time by itself. */
  readonly collapse: boolean;
  readonly ignoreUnknownColumns?: boolean;
}

export function createApplier(options: ApplierOptions): Applier {
  const { collapse, ignoreUnknownColumns = false } = options;
  return {
    async apply(tables, transaction, signal, order = 'upserts-first') {
      for (const step of collapse ? [tables] : byTime(tables)) {
        const folded = inTableOrder(step).map((rows) =>
          foldTable(rows, {
            ignoreUnknownColumns,
            deletesEarly: order !== 'upserts-first',
          }),
        );
        try {
          const aheadCount =
            order === 'upserts-first' && folded.length > mostAhead
              ? mostAhead
              : 1;
          await send(
            statements(folded, transaction, order),
            aheadCount,
            signal,
          );
        } catch (error) {
          throw refuseCircle(folded, error);
        }
      }
    },
  };
}

/** Where there are more tables than that, so many of their statements go at once. */
const mostAhead = 16;

/**
 * One statement is written while the one before it runs at the server; more
 * would only hold more memory. Of many tables statements are small, and cost
 * both sides more than their rows do when each travels alone.
 */
async function send(
  list: Iterable<Statement>,
  aheadCount: number,
  signal: AbortSignal,
): Promise<void> {
  const running: (Promise<unknown> | null)[] = Array.from(
    { length: aheadCount },
    () => null,
  );
  for (const statement of list) {
    signal.throwIfAborted();
    const own = statement();
    // Whoever awaits it hears of it; until then it must not end the process.
    own.catch(() => {});
    running.push(own);
    const oldest = running.shift();
    // One at a time, what a statement finds out at once (that values cannot be
    // taken away) is known to the next one, also to the second.
    if (oldest || aheadCount === 1) {
      await oldest;
    }
  }
  for (const each of running) {
    await each;
  }
}

/**
 *     tables are emptied    all at once, children before parents
 *     keys are freed        for rows that move to them
 *     rows move             parents before children, who may follow by cascade
 *     rows are written      parents before children
 *     rows are deleted      children before parents
 *
 * With `deletes-first` the last two change places, but for deletes that would
 * take rows with them that the batch keeps: those stay last, and unique values
 * of their rows are taken away before others are written.
 *
 * With `values-parked` all rows give up their unique values before any is
 * written, and deletes stay last, save of rows that cannot give theirs up. Of
 * a transaction in parts `park` is that step for one part, and `parked` the
 * others.
 *
 * References that close a circle of tables, and can neither be null nor wait
 * for the commit, are written when all rows are there (circular-links.ts).
 * Late deletes of rows that refer to a unique value which is about to change
 * come between the writes, in the last two orders (late-deletes.ts).
 *
 * Invariant, in every order: the target ends as if all had been applied one by
 * one, or the batch is refused and nothing has changed.
 */
function* statements(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
  order: ApplyOrder,
): Generator<Statement> {
  if (order === 'unlinks') {
    yield* unlinksOfAll(folded, transaction);
    return;
  }
  if (order === 'park') {
    yield* parkings(folded, { early: new Set(), transaction });
    return;
  }
  const taking = takingTables(folded);
  refuseFreed(folded, taking, order);
  yield* truncations(folded, transaction);
  yield* moves(folded, transaction);
  if (order === 'values-parked' || order === 'parked') {
    yield* withParking(folded, { taking, order, transaction });
    return;
  }
  const links = circularLinks(folded);
  const early =
    order === 'deletes-first'
      ? without(folded, withParents(folded, taking))
      : [];
  const last = without(folded, new Set(early));
  const written = withoutLinks(folded, links);
  yield* unlinks(early, links, transaction);
  yield* deletes(early, transaction);
  if (order === 'deletes-first') {
    const held = new Set<TableShape>();
    yield* lateVacations(last, transaction, held);
    yield* vacations(folded, transaction);
    const passed: PassedValues = {
      passes: ({ table }) => table.uniqueKeys.length > 0,
      held,
    };
    const steps = links.size === 0 ? stepsWithDeletes(folded, last) : null;
    if (steps) {
      yield* writesAndDeletes(steps, transaction, passed);
      yield* followedWrites(folded, transaction);
      return;
    }
    yield* writes(written, transaction, passed);
  } else {
    yield* writes(written, transaction);
  }
  yield* linkWrites(folded, links, transaction);
  yield* followedWrites(folded, transaction);
  yield* unlinks(last, links, transaction);
  yield* deletes(last, transaction);
}

function* withParking(
  folded: readonly FoldedTable[],
  {
    taking,
    order,
    transaction,
  }: {
    readonly taking: ReadonlySet<FoldedTable>;
    readonly order: ApplyOrder;
    readonly transaction: TargetTransaction;
  },
): Generator<Statement> {
  const links = circularLinks(folded, { own: true });
  const late = withParents(folded, taking);
  const early = withChildren(
    folded,
    new Set(
      folded.filter(
        (entry) =>
          entry.deleted.length > 0 &&
          !late.has(entry) &&
          !canPark(entry.table, entry.table.columns, transaction.parking),
      ),
    ),
  );
  const last = without(folded, early);
  yield* unlinks(folded, links, transaction);
  yield* deletes([...early], transaction);
  if (order === 'values-parked') {
    // What else they would take along is known of whole transactions only.
    const stuck = last.filter(
      ({ table, deleted }) =>
        deleted.length > 0 &&
        !canPark(table, table.columns, transaction.parking),
    );
    const ofLast = withChildren(last, new Set(stuck));
    yield* deletesUnreferred(folded, ofLast, transaction);
    yield* parkings(folded, { early, transaction });
  }
  const passed: PassedValues = {
    passes: ({ table, columns }) =>
      !canPark(table, columns, transaction.parking),
    areReferred: true,
  };
  const steps = links.size === 0 ? stepsWithDeletes(folded, last) : null;
  if (steps) {
    yield* writesAndDeletes(steps, transaction, passed);
    yield* followedWrites(folded, transaction);
    return;
  }
  yield* writes(withoutLinks(folded, links), transaction, passed);
  yield* linkWrites(folded, links, transaction);
  yield* followedWrites(folded, transaction);
  yield* deletes(last, transaction);
}

function without(
  folded: readonly FoldedTable[],
  left: ReadonlySet<FoldedTable>,
): FoldedTable[] {
  return folded.filter((entry) => !left.has(entry));
}

/**
 * Keys are freed before anything is written. Of a part of a transaction, which
 * comes in every order but the first, what is kept may stand in another part.
 */
function refuseFreed(
  folded: readonly FoldedTable[],
  taking: ReadonlySet<FoldedTable>,
  order: ApplyOrder,
): void {
  for (const entry of folded) {
    const { table, freed } = entry;
    const mayTake =
      order === 'upserts-first'
        ? taking.has(entry)
        : table.deleteTakes === true;
    if (freed.length > 0 && mayTake) {
      throw freedRefusal(table);
    }
  }
}

function inTableOrder(tables: readonly TableRows[]): TableRows[] {
  if (tables.length < 2) {
    return [...tables];
  }
  const byTable = new Map(tables.map((entry) => [entry.table, entry]));
  return tableOrder(tables.map(({ table }) => table))
    .flat()
    .map((table) => byTable.get(table)!);
}

/** One step for each source timestamp, in order, over all tables. */
function byTime(tables: readonly TableRows[]): TableRows[][] {
  const steps = new Map<string, TableRows[]>();
  for (const { table, mutations } of tables) {
    for (const [time, group] of Map.groupBy(
      mutations,
      (mutation) => mutation.time,
    )) {
      const step = steps.get(time);
      if (step) {
        step.push({ table, mutations: group });
      } else {
        steps.set(time, [{ table, mutations: group }]);
      }
    }
  }
  return [...steps.entries()]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, step]) => step);
}
