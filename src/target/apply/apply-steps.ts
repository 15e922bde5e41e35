/** The steps that an order of the applier is made of. */
import { ReplicatorError } from '../../failure/failure.ts';
import type { FoldedTable } from './folded-table.ts';
import type { Step } from './late-deletes.ts';
import { keyMoves, keyRows } from '../row-shape.ts';
import { textValues } from '../row-values.ts';
import {
  circleChunks,
  keyChunks,
  moveChunks,
  refersToItself,
  shapeChunks,
} from './statement-chunks.ts';
import { heldValueRefusal } from './taken-rows.ts';
import type {
  ColumnShape,
  ShapeRows,
  TableShape,
  TargetTransaction,
} from '../target.ts';

export type Statement = () => Promise<unknown>;

export function* truncations(
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

export function* moves(
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

export interface PassedValues {
  /** Whether unique values may pass between rows of the shape. */
  passes(rows: ShapeRows): boolean;
  /** Also values that rows refer to. */
  readonly areReferred?: boolean;
  /** Tables whose deleted rows may still have some. */
  readonly held?: ReadonlySet<TableShape>;
}

export function* writes(
  folded: readonly FoldedTable[],
  transaction: TargetTransaction,
  passed?: PassedValues,
): Generator<Statement> {
  for (const { table, rows, inserted } of folded) {
    for (const chunk of newOnesFirst(table, rows)
      .values()
      .flatMap(shapeChunks)) {
      yield async () => {
        try {
          await transaction.upsert(
            passed?.passes(chunk)
              ? {
                  ...chunk,
                  passUniqueValues: true,
                  passReferredValues: passed.areReferred === true,
                }
              : chunk,
          );
        } catch (error) {
          const isHeld =
            error instanceof ReplicatorError &&
            error.code === 'E4013' &&
            passed?.held?.has(table);
          throw isHeld ? heldValueRefusal(table, error) : error;
        }
      };
    }
    for (const chunk of inserted.values().flatMap(shapeChunks)) {
      yield () => transaction.insert(chunk);
    }
  }
}

/** Sparse rows may refer to rows of their own table that are new, and are whole. */
function newOnesFirst(
  table: TableShape,
  rows: readonly ShapeRows[],
): readonly ShapeRows[] {
  return rows.length > 1 && refersToItself(table)
    ? rows.toSorted((a, b) => b.columns.length - a.columns.length)
    : rows;
}

/** Children before parents. */
export function* deletes(
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
 * Of rows that go last those to which nothing refers: they take nothing along,
 * and their unique values are free. Children go first, so that parents may.
 */
export function* deletesUnreferred(
  folded: readonly FoldedTable[],
  chosen: ReadonlySet<FoldedTable>,
  transaction: TargetTransaction,
): Generator<Statement> {
  for (const entry of folded.toReversed()) {
    const { table, deleted } = entry;
    if (!table.deletesQuietly || deleted.length === 0 || !chosen.has(entry)) {
      continue;
    }
    const references = folded.flatMap(({ table: child }) =>
      child.foreignKeys
        .filter(
          ({ parentSchema, parentTable }) =>
            parentSchema === table.schema && parentTable === table.name,
        )
        .map((key) => ({ child, key })),
    );
    for (const chunk of keyChunks(keyRows(table, deleted))) {
      yield async () => transaction.deleteUnreferred?.(chunk, references);
    }
  }
}

/** Writes and deletes in an order of late-deletes.ts. */
export function* writesAndDeletes(
  steps: readonly Step[],
  transaction: TargetTransaction,
  passed: PassedValues,
): Generator<Statement> {
  for (const { kind, entry } of steps) {
    yield* kind === 'write'
      ? writes([entry], transaction, passed)
      : deletes([entry], transaction);
  }
}

/**
 * Rows that go last leave their unique values now. Where they cannot, the
 * table is one of `held`: the server tells whether another row wants them.
 */
export function* lateVacations(
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
export function* vacations(
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
        (column) => shape.values.texts[shape.columns.indexOf(column)]!,
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

/** The given columns of rows that are there, where the shape carries any. */
export function* columnWrites(
  shape: ShapeRows,
  isWanted: (column: ColumnShape) => boolean,
  transaction: TargetTransaction,
): Generator<Statement> {
  const columns = shape.columns.filter(
    (column) => column.keyOrdinal !== null || isWanted(column),
  );
  if (!columns.some(isWanted)) {
    return;
  }
  const given: ShapeRows = {
    table: shape.table,
    columns,
    values: textValues(
      columns.map(
        (column) => shape.values.texts[shape.columns.indexOf(column)]!,
      ),
      shape.rowCount,
    ),
    rowCount: shape.rowCount,
  };
  for (const chunk of shapeChunks(given)) {
    yield () => transaction.update(chunk);
  }
}
