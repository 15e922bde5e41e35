/**
 * In which order the statements of one upsert run, wherever its rows lie.
 *
 * InnoDB looks at foreign keys and unique keys row by row, not at the end of a
 * statement. Columns that refer to the table itself are therefore written
 * when all rows are there, or, where they may not be null, rows are written
 * generation by generation.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import { lacksNeeded } from '../../row-shape.ts';
import type { ColumnShape, ShapeRows, TableShape } from '../../target.ts';
import { codecOf } from '../values/codec.ts';
import type { Answer, MysqlConnection } from '../session/driver.ts';
import { quoteTable } from '../catalog/quoting.ts';
import { isServerError } from '../session/errors.ts';
import type { ServerError } from '../session/server-message.ts';
import type { RowSource } from '../values/row-source.ts';
import { ensureTemporary, temporaryName } from './session-tables.ts';
import {
  collectRewrittenStatement,
  duplicateKeyUpsert,
  foldedKeyStatement,
  freeValuesStatement,
  insertMissingStatement,
  insertReadyStatement,
  insertStatement,
  missingKeyStatement,
  rewriteStatements,
  selfReferences,
  updateStatement,
  vacatedColumns,
  writableColumns,
} from './statements.ts';
import { createTemporaryStatement } from './temporary-tables.ts';
import { readerOf } from '../values/values.ts';

/** A chain of values may be as long; a longer one is refused. */
const maxRounds = 1_000;

/** Runs a statement that reads the source. */
export type Run = (text: string) => Promise<Answer>;

export async function writeFrom(
  source: RowSource,
  rows: ShapeRows,
  run: Run,
  streaks: Map<string, number>,
): Promise<void> {
  await writeDirect(source, rows, run, streaks);
  await writeOwnLinks(source, rows, run);
}

/** All but the columns that refer to the table itself. */
export async function writeDirect(
  source: RowSource,
  rows: ShapeRows,
  run: Run,
  /** Of the connection (`newRowStreaks`). */
  streaks: Map<string, number>,
): Promise<void> {
  const { table, columns, replace = false, passUniqueValues } = rows;
  const folded = foldedKeyStatement(table, source);
  const direct = columns.filter((column) => !isLink(column));
  const isPartial = lacksNeeded(table, columns);
  if (
    !replace &&
    !isPartial &&
    !hasFixedReference(table) &&
    direct.length === columns.length &&
    table.uniqueKeys.length === 0 &&
    // ON DUPLICATE KEY takes keys for one that begin alike.
    table.primaryKey.every(
      (column) => codecOf(column).keyPrefix === undefined,
    ) &&
    (await areTaken(run, duplicateKeyUpsert(table, columns, source)))
  ) {
    if (folded !== null) {
      // Asked before, another transaction's row could still come between.
      await refuseFound(run, folded, table);
    }
    return;
  }
  if (folded !== null) {
    await refuseFound(run, folded, table);
  }
  const defaulted = replace
    ? writableColumns(table).filter(
        (column) => column.keyOrdinal === null && !columns.includes(column),
      )
    : [];
  const update = updateStatement(table, direct, source, defaulted);
  const passed = passedAlong(rows);
  if (passed.length > 0) {
    const free = freeValuesStatement(table, passed, source);
    for (let round = 0; round < maxRounds; round += 1) {
      const { affectedRows } = await run(free);
      if (affectedRows === 0) {
        break;
      }
    }
  }
  if (isPartial) {
    // Such an insert is refused even when there is nothing to insert.
    if (update !== null) {
      await run(update);
    }
    const missing = await run(missingKeyStatement(table, source));
    if (missing.rows.length > 0) {
      await run(insertMissingStatement(table, direct, source));
    }
    return;
  }
  if (hasFixedReference(table)) {
    while ((await insertReady(source, rows, run)) > 0) {
      // The next generation.
    }
    await run(insertMissingStatement(table, direct, source));
    if (update !== null) {
      await run(update);
    }
    return;
  }
  const name = quoteTable(table);
  let streak = streaks.get(name) ?? 0;
  if (update !== null && streak > 0 && passUniqueValues !== true) {
    if (await areTaken(run, insertStatement(table, direct, source))) {
      return;
    }
    streak = -writesBetweenGuesses;
  }
  if (update !== null) {
    await run(update);
  }
  const { affectedRows } = await run(
    insertMissingStatement(table, direct, source),
  );
  const goesOn = streak < 0 || affectedRows === rows.rowCount;
  streaks.set(name, goesOn ? streak + 1 : 0);
}

/** After rows were taken for new that were not. */
const writesBetweenGuesses = 8;

/**
 * Inserts all rows, or none of them where one is refused: which may be there,
 * and then has to be updated. Looking for them twice, to update and to insert,
 * takes a third of the server's time.
 */
async function areTaken(run: Run, insert: string): Promise<boolean> {
  try {
    await run(insert);
    return true;
  } catch (error) {
    if (isServerError(error) && isOfRow(error)) {
      return false;
    }
    throw error;
  }
}

/**
 * A row has been refused, and the statement alone undone. Not only a key that
 * is there: defaults that a row lacks, and triggers, are looked at before keys.
 */
function isOfRow({ errno, sqlState = '' }: ServerError): boolean {
  return errno === mysqlCheck || /^(?:22|23|45)/.test(sqlState);
}

/** Of a check, to which MySQL gives no class. */
const mysqlCheck = 3819;

/** One generation of rows that must have a parent from the start; how many there were. */
export async function insertReady(
  source: RowSource,
  { table, columns }: ShapeRows,
  run: Run,
): Promise<number> {
  const direct = columns.filter((column) => !isLink(column));
  const { affectedRows } = await run(
    insertReadyStatement(table, direct, source),
  );
  return affectedRows;
}

export async function writeOwnLinks(
  source: RowSource,
  { table, columns }: ShapeRows,
  run: Run,
): Promise<void> {
  const own = columns.filter((column) => isLink(column) && !isCyclic(column));
  const link = own.length > 0 ? updateStatement(table, own, source) : null;
  if (link !== null) {
    await run(link);
  }
}

export async function refuseFound(
  run: Run,
  statement: string,
  table: TableShape,
): Promise<void> {
  const { rows } = await run(statement);
  if (rows.length > 0) {
    throw new ReplicatorError('E4013', {
      detail: `two keys of the source are one key in table ${table.schema}.${table.name}: the type or collation of its primary key tells less apart`,
      remedy:
        'give the key columns the types of the source and a binary collation without padding (utf8mb4_0900_bin, utf8mb4_nopad_bin)',
    });
  }
}

/** Columns whose values can only pass between rows when the rows go and come back. */
export function rewritten({
  table,
  columns,
  passUniqueValues,
}: ShapeRows): ColumnShape[] {
  if (
    !passUniqueValues ||
    table.deleteHasEffects ||
    hasFixedReference(table) ||
    vacatedColumns(table) !== null
  ) {
    return [];
  }
  const names = new Set(table.uniqueKeys.flat());
  return columns.filter(
    ({ name, keyOrdinal }) => keyOrdinal === null && names.has(name),
  );
}

/**
 * Columns whose values pass from row to row one after the other, where rows
 * cannot go and come back: their deletes would be noticed. Whoever refers to
 * such a value, and rows of the table itself, look after each statement.
 */
function passedAlong(rows: ShapeRows): ColumnShape[] {
  const { table, columns, passUniqueValues, passReferredValues } = rows;
  if (
    !passUniqueValues ||
    !table.deleteHasEffects ||
    vacatedColumns(table) !== null
  ) {
    return [];
  }
  const names = new Set(table.uniqueKeys.flat());
  const own = new Set(selfReferences(table).flatMap((key) => key.columns));
  const passed = columns.filter(
    ({ name, keyOrdinal }) => keyOrdinal === null && names.has(name),
  );
  const isKept = ({ name, referred }: ColumnShape): boolean =>
    own.has(name) || (referred === true && !passReferredValues);
  return passed.some(isKept) ? [] : passed;
}

export async function rewrite(
  connection: MysqlConnection,
  { table, columns }: ShapeRows,
  options: {
    readonly watched: readonly ColumnShape[];
    readonly source: RowSource;
    readonly run: Run;
  },
): Promise<void> {
  const { watched, source, run } = options;
  const kept = writableColumns(table);
  const into = temporaryName(table, kept, 'again');
  const isThere = await ensureTemporary(connection, into, () =>
    createTemporaryStatement(into, table, kept, false),
  );
  if (!isThere) {
    return;
  }
  // What rows refer to in a circle they keep until all rows are there.
  const direct = columns.filter((column) => !isLink(column));
  const { affectedRows } = await run(
    collectRewrittenStatement(table, direct, { watched, source, into }),
  );
  if (affectedRows > 0) {
    for (const statement of rewriteStatements(
      table,
      into,
      kept.filter(isLink),
    )) {
      await connection.query(statement);
    }
    await connection.query(`delete from ${into}`);
  }
}

export function isCyclic(column: ColumnShape): boolean {
  return isLink(column) && codecOf(column).reference === 'cycle';
}

/** May be null until the row that it refers to is there. */
export function isLink(column: ColumnShape): boolean {
  return (
    codecOf(column).reference !== undefined &&
    column.nullable &&
    column.keyOrdinal === null
  );
}

/** Whether it is plain without the server that no key comes twice. */
export function tellsKeysApart({
  table,
  columns,
  values,
  rowCount,
}: ShapeRows): boolean {
  const parts = table.primaryKey.map((column) => {
    const read = readerOf(codecOf(column));
    const tokens = values.texts[columns.indexOf(column)]!;
    return (row: number) => read(tokens[row]!);
  });
  if (!table.primaryKey.every(isTextIdentity)) {
    return false;
  }
  const seen = new Set<string>();
  for (let row = 0; row < rowCount; row++) {
    seen.add(
      parts.length === 1
        ? String(parts[0]!(row))
        : JSON.stringify(parts.map((part) => part(row))),
    );
  }
  return seen.size === rowCount;
}

/** Two of its values are one exactly when their texts are. */
function isTextIdentity(column: ColumnShape): boolean {
  const { kind, folds, keyPrefix } = codecOf(column);
  return (
    !folds &&
    keyPrefix === undefined &&
    ['integer', 'bit', 'binary', 'text', 'date'].includes(kind)
  );
}

/** Rows must have a parent in their own table from the start. */
export function hasFixedReference(table: TableShape): boolean {
  return selfReferences(table).some(({ columns }) =>
    columns.every((name) => !isLink(table.columnByName.get(name)!)),
  );
}
