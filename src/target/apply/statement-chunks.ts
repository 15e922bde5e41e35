/** Rows in pieces, each of which one statement takes. */
import type { JsonText } from '../../mutation/mutation.ts';
import { type KeyMove, keyMoves } from '../row-shape.ts';
import type { KeyMoves, KeyRows, ShapeRows, TableShape } from '../target.ts';

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
  return refersToItself(table) ? selfReferenceLimits : statementLimits;
}

export function refersToItself(table: TableShape): boolean {
  return table.foreignKeys.some(
    ({ parentSchema, parentTable }) =>
      parentSchema === table.schema && parentTable === table.name,
  );
}

export function* shapeChunks(rows: ShapeRows): Generator<ShapeRows> {
  const { values, rowCount } = rows;
  const { cells } = values;
  const limits = limitsOf(rows.table);
  if (rowCount <= limits.rowCount && cells.byteCount <= limits.characterCount) {
    yield rows;
    return;
  }
  const charactersOf = (row: number): number => cells.rowBytes(row);
  for (const [start, end] of chunkBounds(rowCount, charactersOf, limits)) {
    yield {
      ...rows,
      values: values.slice(start, end),
      rowCount: end - start,
    };
  }
}

export function* keyChunks(rows: KeyRows): Generator<KeyRows> {
  for (const [start, end] of chunkBounds(
    rows.rowCount,
    charactersIn(rows.keys),
    limitsOf(rows.table),
  )) {
    yield {
      table: rows.table,
      keys: rows.keys.map((column) => column.slice(start, end)),
      rowCount: end - start,
    };
  }
}

export function* moveChunks(moves: KeyMoves): Generator<KeyMoves> {
  const { table, from, to } = moves;
  for (const [start, end] of chunkBounds(
    moves.rowCount,
    charactersIn([...from, ...to]),
    limitsOf(table),
  )) {
    yield {
      table,
      from: from.map((column) => column.slice(start, end)),
      to: to.map((column) => column.slice(start, end)),
      rowCount: end - start,
    };
  }
}

/** Circles stay whole, however long one is. */
export function* circleChunks(
  table: TableShape,
  circles: readonly (readonly KeyMove[])[],
): Generator<KeyMoves> {
  const limits = limitsOf(table);
  let moves: KeyMove[] = [];
  let characterCount = 0;
  for (const circle of circles) {
    let circleCharacterCount = 0;
    for (const { from, to } of circle) {
      circleCharacterCount += from.length + to.length;
    }
    const isFull =
      moves.length + circle.length > limits.rowCount ||
      characterCount + circleCharacterCount > limits.characterCount;
    if (isFull && moves.length > 0) {
      yield keyMoves(table, moves);
      moves = [];
      characterCount = 0;
    }
    for (const move of circle) {
      moves.push(move);
    }
    characterCount += circleCharacterCount;
  }
  if (moves.length > 0) {
    yield keyMoves(table, moves);
  }
}

function charactersIn(
  columns: readonly (readonly JsonText[])[],
): (row: number) => number {
  return (row) => columns.reduce((sum, column) => sum + column[row]!.length, 0);
}

function* chunkBounds(
  rowCount: number,
  charactersOf: (row: number) => number,
  limits: typeof statementLimits,
): Generator<[number, number]> {
  let start = 0;
  let characterCount = 0;
  for (let row = 0; row < rowCount; row++) {
    const rowCharacterCount = charactersOf(row);
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
