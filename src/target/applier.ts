/** One batch into one open target transaction: fold, order, cut, write. */
import { ReplicatorError } from '../failure/failure.ts';
import type { Mutation } from '../mutation/mutation.ts';
import { type FoldedTable, foldTable } from './folded-table.ts';
import { keyMoves, keyRows } from './row-shape.ts';
import {
  circleChunks,
  keyChunks,
  moveChunks,
  shapeChunks,
} from './statement-chunks.ts';
import { tableOrder } from './table-order.ts';
import {
  freedRefusal,
  heldValueRefusal,
  takingTables,
  withParents,
} from './taken-rows.ts';
import type {
  Applier,
  ApplyOrder,
  TableShape,
  TargetTransaction,
} from './target.ts';

export interface ApplierOptions {
  /** Only the newest version of a row crosses; else every source time by itself. */
  readonly collapse: boolean;
  readonly ignoreUnknownColumns?: boolean;
}

interface TableBatch {
  readonly table: TableShape;
  readonly mutations: readonly Mutation[];
}

export function createApplier(options: ApplierOptions): Applier {
  const { collapse, ignoreUnknownColumns = false } = options;
  return {
    async apply(tables, transaction, signal, order = 'upserts-first') {
      const counts = { upsertCount: 0, deleteCount: 0 };
      for (const step of collapse ? [tables] : byTime(tables)) {
        const folded = inTableOrder(step).map(({ table, mutations }) =>
          foldTable(table, mutations, {
            ignoreUnknownColumns,
            deletesEarly: order !== 'upserts-first',
          }),
        );
        await send(statements(folded, transaction, order), signal);
        for (const { upsertCount, deleteCount } of folded) {
          counts.upsertCount += upsertCount;
          counts.deleteCount += deleteCount;
        }
      }
      return counts;
    },
  };
}

type Statement = () => Promise<unknown>;

/**
 * One statement is written while the one before it runs at the server; more
 * would only hold more memory.
 */
async function send(
  list: Iterable<Statement>,
  signal: AbortSignal,
): Promise<void> {
  let before: Promise<unknown> | null = null;
  for (const statement of list) {
    signal.throwIfAborted();
    const running = statement();
    // Whoever awaits it hears of it; until then it must not end the process.
    running.catch(() => {});
    await before;
    before = running;
  }
  await before;
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
 * Invariant, in every order: the target ends as if all had been applied one by
 * one, or the batch is refused and nothing has changed.
 */
function* statements(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
  order: ApplyOrder,
): Generator<Statement> {
  const taking = takingTables(folded);
  refuseFreed(folded, taking, order);
  yield* truncations(folded, transaction);
  yield* moves(folded, transaction);
  if (order !== 'deletes-first') {
    yield* writes(folded, transaction);
    yield* deletes(folded, transaction);
    return;
  }
  const late = withParents(folded, taking);
  const held = new Set<TableShape>();
  yield* deletes(
    folded.filter((entry) => !late.has(entry)),
    transaction,
  );
  const last = folded.filter((entry) => late.has(entry));
  yield* lateVacations(last, transaction, held);
  yield* vacations(folded, transaction);
  yield* writes(folded, transaction, held);
  yield* deletes(last, transaction);
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
        : table.deleteHasEffects === true;
    if (freed.length > 0 && mayTake) {
      throw freedRefusal(table);
    }
  }
}

function* truncations(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
): Generator<Statement> {
  const emptied = folded.filter((entry) => entry.emptied).toReversed();
  const restarting = emptied.filter((entry) => entry.emptied?.restartsIdentity);
  const tablesOf = (entries: readonly FoldedTable[]): TableShape[] =>
    entries.map(({ table }) => table);
  if (emptied.length > restarting.length) {
    // All in one call, for they may refer to one another.
    yield () => transaction.truncate(tablesOf(emptied), false);
  }
  if (restarting.length > 0) {
    yield () => transaction.truncate(tablesOf(restarting), true);
  }
}

function* moves(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
): Generator<Statement> {
  for (const { table, freed } of folded.toReversed()) {
    for (const chunk of keyChunks(keyRows(table, freed))) {
      yield () => transaction.delete(chunk);
    }
  }
  for (const { table, moveWaves, moveCircles } of folded) {
    for (const wave of moveWaves) {
      for (const chunk of moveChunks(keyMoves(table, wave))) {
        yield () => transaction.moveKeys(chunk);
      }
    }
    for (const chunk of circleChunks(table, moveCircles)) {
      yield () => transaction.moveKeys(chunk);
    }
  }
}

/** With `held` unique values may pass between rows. */
function* writes(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
  held?: ReadonlySet<TableShape>,
): Generator<Statement> {
  for (const { table, rows, inserted } of folded) {
    for (const chunk of rows.values().flatMap(shapeChunks)) {
      yield async () => {
        try {
          await transaction.upsert(
            held && table.uniqueKeys.length > 0
              ? { ...chunk, passUniqueValues: true }
              : chunk,
          );
        } catch (error) {
          const isHeld =
            error instanceof ReplicatorError &&
            error.code === 'E4013' &&
            held?.has(table);
          throw isHeld ? heldValueRefusal(table, error) : error;
        }
      };
    }
    for (const chunk of inserted.values().flatMap(shapeChunks)) {
      yield () => transaction.insert(chunk);
    }
  }
}

/** Children before parents. */
function* deletes(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
): Generator<Statement> {
  for (const { table, deleted, deletedRows } of folded.toReversed()) {
    for (const chunk of keyChunks(keyRows(table, deleted))) {
      yield () => transaction.delete(chunk);
    }
    for (const chunk of deletedRows.values().flatMap(shapeChunks)) {
      yield () => transaction.deleteEqual(chunk);
    }
  }
}

/**
 * Rows that go last leave their unique values now. Where they cannot, the
 * table is one of `held`: the server tells whether another row wants them.
 */
function* lateVacations(
  last: readonly FoldedTable[],
  transaction: TargetTransaction,
  held: Set<TableShape>,
): Generator<Statement> {
  for (const { table, deleted } of last) {
    const keys = table.uniqueKeys.length > 0 ? deleted : [];
    for (const chunk of keyChunks(keyRows(table, keys))) {
      yield async () => {
        if (!(await transaction.vacateUniqueKeys(chunk))) {
          held.add(table);
        }
      };
    }
  }
}

/** So that rows may swap unique values: none is held while they are written. */
function* vacations(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
): Generator<Statement> {
  for (const { table, rows } of folded) {
    for (const shape of table.uniqueKeys.length > 0 ? rows : []) {
      const carried = new Set(shape.columns.map(({ name }) => name));
      // A sparse row would not get back what is taken from it here.
      if (!table.uniqueKeys.flat().every((name) => carried.has(name))) {
        continue;
      }
      const keys = table.primaryKey.map(
        (column) => shape.values[shape.columns.indexOf(column)]!,
      );
      for (const chunk of keyChunks({
        table,
        keys,
        rowCount: shape.rowCount,
      })) {
        yield () => transaction.vacateUniqueKeys(chunk);
      }
    }
  }
}

function inTableOrder(tables: readonly TableBatch[]): TableBatch[] {
  if (tables.length < 2) {
    return [...tables];
  }
  const byTable = new Map(tables.map((entry) => [entry.table, entry]));
  return tableOrder(tables.map(({ table }) => table))
    .flat()
    .map((table) => byTable.get(table)!);
}

/** One step for each source timestamp, in order, over all tables. */
function byTime(tables: readonly TableBatch[]): TableBatch[][] {
  const steps = new Map<string, TableBatch[]>();
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
