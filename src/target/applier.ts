/** One batch into one open target transaction: fold, order, cut, write. */
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
 * With `deletes-first` the last two change places.
 */
function* statements(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
  order: ApplyOrder,
): Generator<Statement> {
  yield* truncations(folded, transaction);
  yield* moves(folded, transaction);
  if (order === 'deletes-first') {
    yield* deletes(folded, transaction);
    yield* vacations(folded, transaction);
  }
  yield* writes(folded, transaction, order);
  if (order !== 'deletes-first') {
    yield* deletes(folded, transaction);
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

function* writes(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
  order: ApplyOrder,
): Generator<Statement> {
  for (const { table, rows, inserted } of folded) {
    for (const chunk of rows.values().flatMap(shapeChunks)) {
      yield () =>
        transaction.upsert(
          order === 'deletes-first' && table.uniqueKeys.length > 0
            ? { ...chunk, passUniqueValues: true }
            : chunk,
        );
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
