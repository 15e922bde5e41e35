/** One batch into one open target transaction: fold, order, cut, write. */
import { type FoldedMutation, foldByKey } from '../mutation/fold.ts';
import { scanObject, skipBlank, unescape } from '../mutation/json-text.ts';
import type { JsonText, Mutation } from '../mutation/mutation.ts';
import { groupByShape, keyRows, type KeyedRow } from './row-shape.ts';
import { tableOrder } from './table-order.ts';
import type {
  Applier,
  ApplyOrder,
  KeyRows,
  ShapeRows,
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

interface FoldedTable {
  readonly table: TableShape;
  readonly deleted: readonly JsonText[];
  readonly rows: readonly ShapeRows[];
  readonly upsertCount: number;
}

/** Above these a statement is split: memory on both sides, not speed, decides. */
const statementLimits = { rowCount: 5000, characterCount: 8 * 1024 * 1024 };

/**
 * Rows that refer to rows of their own table must come in one statement, at
 * whose end the server looks: there is no order in which each finds its parent.
 */
const selfReferenceLimits = {
  rowCount: 100_000,
  characterCount: 128 * 1024 * 1024,
};

function limitsOf(table: TableShape): typeof statementLimits {
  return table.foreignKeys.some(
    ({ parentSchema, parentTable }) =>
      parentSchema === table.schema && parentTable === table.name,
  )
    ? selfReferenceLimits
    : statementLimits;
}

export function createApplier(options: ApplierOptions): Applier {
  return {
    async apply(tables, transaction, signal, order = 'upserts-first') {
      const counts = { upsertCount: 0, deleteCount: 0 };
      for (const step of options.collapse ? [tables] : byTime(tables)) {
        const folded = inTableOrder(step).map((entry) =>
          foldTable(entry, options),
        );
        await send(statements(folded, transaction, order), signal);
        for (const { upsertCount, deleted } of folded) {
          counts.upsertCount += upsertCount;
          counts.deleteCount += deleted.length;
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

function* statements(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
  order: ApplyOrder,
): Generator<Statement> {
  if (order === 'deletes-first') {
    yield* deletes(folded, transaction);
    yield* vacations(folded, transaction);
  }
  for (const shape of folded.flatMap(({ rows }) => rows)) {
    for (const chunk of shapeChunks(shape)) {
      yield () =>
        transaction.upsert(
          order === 'deletes-first' && shape.table.uniqueKeys.length > 0
            ? { ...chunk, passUniqueValues: true }
            : chunk,
        );
    }
  }
  if (order === 'upserts-first') {
    yield* deletes(folded, transaction);
  }
}

/** Children before parents. */
function* deletes(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
): Generator<Statement> {
  for (const { table, deleted } of folded.toReversed()) {
    for (const chunk of keyChunks(keyRows(table, deleted))) {
      yield () => transaction.delete(chunk);
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

function foldTable(
  { table, mutations }: TableBatch,
  { ignoreUnknownColumns = false }: ApplierOptions,
): FoldedTable {
  const folded = foldByKey(mutations, wholeRowTest(table));
  const deleted: JsonText[] = [];
  const upserted: KeyedRow[] = [];
  const replaced: KeyedRow[] = [];
  for (const mutation of folded) {
    placeOf(mutation, deleted, upserted, replaced);
  }
  return {
    table,
    deleted,
    upsertCount: upserted.length + replaced.length,
    rows: [
      ...groupByShape(table, upserted, {
        ignoreUnknownColumns,
        replace: false,
      }),
      ...groupByShape(table, replaced, { ignoreUnknownColumns, replace: true }),
    ],
  };
}

function placeOf(
  mutation: FoldedMutation,
  deleted: JsonText[],
  upserted: KeyedRow[],
  replaced: KeyedRow[],
): void {
  switch (mutation.kind) {
    case 'delete':
      deleted.push(mutation.key);
      break;
    case 'upsert':
      upserted.push(mutation);
      break;
    case 'replace':
      replaced.push(mutation);
      break;
  }
}

/** Tells whether a row carries every column that the target does not compute. */
export function wholeRowTest(table: TableShape): (after: JsonText) => boolean {
  const needed = table.columns.filter(({ generated }) => !generated).length;
  return (after) => {
    const names = new Set<string>();
    scanObject(after, skipBlank(after, 0), (start, end) => {
      const column = table.columnByName.get(unescape(after, start, end));
      if (column && !column.generated) {
        names.add(column.name);
      }
    });
    return names.size === needed;
  };
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

function* shapeChunks(rows: ShapeRows): Generator<ShapeRows> {
  for (const [start, end] of chunkBounds(
    rows.values,
    rows.rowCount,
    limitsOf(rows.table),
  )) {
    yield end - start === rows.rowCount
      ? rows
      : {
          ...rows,
          values: rows.values.map((column) => column.slice(start, end)),
          rowCount: end - start,
        };
  }
}

function* keyChunks(rows: KeyRows): Generator<KeyRows> {
  for (const [start, end] of chunkBounds(
    rows.keys,
    rows.rowCount,
    limitsOf(rows.table),
  )) {
    yield {
      table: rows.table,
      keys: rows.keys.map((column) => column.slice(start, end)),
      rowCount: end - start,
    };
  }
}

function* chunkBounds(
  columns: readonly (readonly JsonText[])[],
  rowCount: number,
  limits: typeof statementLimits,
): Generator<[number, number]> {
  let start = 0;
  let characterCount = 0;
  for (let row = 0; row < rowCount; row++) {
    let rowCharacterCount = 0;
    for (const column of columns) {
      rowCharacterCount += column[row]!.length;
    }
    const isFull =
      row - start >= limits.rowCount ||
      characterCount + rowCharacterCount > limits.characterCount;
    if (isFull && row > start) {
      yield [start, row];
      start = row;
      characterCount = 0;
    }
    characterCount += rowCharacterCount;
  }
  if (rowCount > start) {
    yield [start, rowCount];
  }
}
