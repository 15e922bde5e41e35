/**
 * Whether rows are new, guessed from those before: a plain insert costs the
 * server 2.5 µs a row where ON CONFLICT costs 3.9, which marks each row as one
 * that may yet be withdrawn.
 *
 *     a few keys are looked up beside an upsert; none of them is there, and
 *     again, and again ─► insert ─► insert ─► refused: upsert instead
 *
 * After a refusal more looks are needed than before, so that a table whose rows
 * come again hardly ever pays for a guess, nor its server's log.
 */
import { ShapePlans } from '../../apply/shape-plans.ts';
import {
  type ColumnarRows,
  columnarRows,
  keyIndexes,
} from '../../values/column-texts.ts';
import type { ShapeRows } from '../../target.ts';
import { rowSource } from '../values/row-source.ts';
import { insertStatement } from './keyless-statements.ts';
import {
  fixedIdentities,
  positionalKeyMatch,
  tableName,
  takesConflicts,
} from './statements.ts';

/** Of fewer rows the savepoint and the looks cost more than the guess gains. */
const leastRows = 50;
const sampledRows = 16;
const looksAtFirst = 3;
/** So many times as many looks are needed after each refusal. */
const growthOfLooks = 8;
const mostLooks = 10_000;
/** Where rows were found, so many upserts at most go without a look. */
const longestPause = 64;

export class InsertGuess {
  readonly insertText: string;
  /** How many of the keys are there. */
  readonly lookText: string;
  #newCount = 0;
  #neededCount = looksAtFirst;
  #pause = 0;
  #nextPause = 1;

  constructor({ table, columns }: ShapeRows) {
    this.insertText = insertStatement(table, columns);
    this.lookText = [
      `select count(*) as n from ${tableName(table)} as t,`,
      `  ${rowSource(table.primaryKey)}`,
      `where ${positionalKeyMatch(table)}`,
    ].join('\n');
  }

  get isLikely(): boolean {
    return this.#newCount >= this.#neededCount;
  }

  /** Whether to look beside the upsert that is about to be. */
  wantsLook(): boolean {
    this.#pause -= 1;
    return this.#pause < 0;
  }

  /** A look has found so many of the rows. */
  looked(foundCount: number): void {
    if (foundCount === 0) {
      this.#newCount += 1;
      this.#nextPause = 1;
    } else {
      this.#newCount = 0;
      this.#pause = this.#nextPause;
      this.#nextPause = Math.min(longestPause, this.#nextPause * 2);
    }
  }

  /** A row was there. */
  refused(): void {
    this.#newCount = 0;
    this.#neededCount = Math.min(mostLooks, this.#neededCount * growthOfLooks);
  }
}

const guesses = new ShapePlans<InsertGuess | null>((rows) =>
  mayGuess(rows) ? new InsertGuess(rows) : null,
);

/** Null where it would gain nothing, or an upsert is more than one statement. */
export function insertGuess(rows: ShapeRows): InsertGuess | null {
  return rows.rowCount < leastRows ? null : guesses.planOf(rows);
}

function mayGuess({
  table,
  columns,
  replace,
  passUniqueValues,
  passReferredValues,
}: ShapeRows): boolean {
  return (
    !replace &&
    !passUniqueValues &&
    !passReferredValues &&
    fixedIdentities(columns).length === 0 &&
    takesConflicts(table, columns)
  );
}

/** The keys of some of the rows, spread over all. */
export function sampledKeys(rows: ShapeRows): ColumnarRows {
  const step = Math.ceil(rows.rowCount / sampledRows);
  const { cells } = rows.values;
  const sampled = Array.from(
    { length: Math.ceil(rows.rowCount / step) },
    (_, index) => index * step,
  );
  const keys = keyIndexes(rows).map((index) =>
    sampled.map((row) => cells.token(index, row)),
  );
  return columnarRows({
    table: rows.table,
    keys,
    rowCount: sampled.length,
  });
}
