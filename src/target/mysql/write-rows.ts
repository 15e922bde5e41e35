/**
 * How rows of one shape are written on one connection: through a temporary
 * table that LOAD DATA fills, or through one JSON parameter. Both end in the
 * same statements, and so in the same rows.
 *
 * InnoDB looks at foreign keys and unique keys row by row, not at the end of a
 * statement. Columns that refer to the table itself are therefore written
 * when all rows are there, or, where they may not be null, rows are written
 * generation by generation.
 */
import { createHash } from 'node:crypto';
import { ReplicatorError } from '../../failure/failure.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import type { ColumnShape, ShapeRows, TableShape } from '../target.ts';
import type { ValuePolicies } from '../value-policy.ts';
import { codecOf } from './codec.ts';
import type { Answer, MysqlConnection, ServerFacts } from './driver.ts';
import { isServerError, serverFailure } from './errors.ts';
import { readerOf } from './values.ts';
import { jsonRows, loadFile, packetChunks } from './row-encoding.ts';
import { quoteIdentifier, quoteSchema } from './quoting.ts';
import { jsonSource, type RowSource, temporarySource } from './row-source.ts';
import {
  collectRewrittenStatement,
  duplicateKeyUpsert,
  foldedKeyStatement,
  insertMissingStatement,
  insertReadyStatement,
  repeatedKeyStatement,
  rewriteStatements,
  selfReferences,
  updateStatement,
  vacatedColumns,
  writableColumns,
} from './statements.ts';
import { createTemporaryStatement, loadStatement } from './temporary-tables.ts';

/**
 * Up to so many rows the temporary table costs more than it saves (measured
 * on loopback with ten columns of 150 bytes; MySQL reads JSON faster).
 */
const fewRowsOf = { mariadb: 20, mysql: 300 };

/** Rows that wait to be written: encoded while the statement before them runs. */
export type RowWork = (connection: MysqlConnection) => Promise<void>;

export interface WriteParts {
  /** Everything that can be written now. */
  readonly now: RowWork;
  /** What must wait until the tables of a cycle have their rows; or null. */
  readonly later: RowWork | null;
}

export interface WriteOptions {
  readonly policies: ValuePolicies;
  readonly facts: ServerFacts;
  /** Up to so many rows cross as one parameter; undefined: what is measured best. */
  readonly fewRows: number | undefined;
}

export function prepareRows(
  rows: ShapeRows,
  {
    policies,
    facts: { hasLocalInfile, isMariadb },
    fewRows = fewRowsOf[isMariadb ? 'mariadb' : 'mysql'],
  }: WriteOptions,
): WriteParts {
  const { table, columns } = rows;
  refuseReplacedNulls(rows);
  const late = columns.filter(isCyclic);
  const load = hasLocalInfile && (rows.rowCount > fewRows || isLarge(rows));
  const encode = (): RowWork => {
    if (!load) {
      return jsonWork(rows, policies);
    }
    const file = loadFile(rows, policies);
    return (connection) => writeLoaded(connection, rows, file, policies);
  };
  const now = encode();
  if (late.length === 0) {
    return { now, later: null };
  }
  const kept = columns.filter(
    (column) => column.keyOrdinal !== null || isCyclic(column),
  );
  const links: ShapeRows = {
    table,
    columns: kept,
    values: kept.map((column) => rows.values[columns.indexOf(column)]!),
    rowCount: rows.rowCount,
  };
  return {
    now,
    later: (connection) =>
      eachPacket(connection, links, policies, async (_, json) => {
        const source = jsonSource(table, kept);
        await execute(connection, updateStatement(table, kept, source)!, json);
      }),
  };
}

/**
 * The server puts the next number, or the present time, where null is not
 * allowed in such a column: another value than the source's.
 */
function refuseReplacedNulls({ table, columns, values }: ShapeRows): void {
  columns.forEach((column, place) => {
    const codec = codecOf(column);
    const isReplaced =
      column.identity !== null ||
      (codec.kind === 'datetime' && codec.until !== null);
    if (!column.nullable && isReplaced && values[place]!.includes(sqlNull)) {
      throw new ReplicatorError('E4005', {
        detail: `column "${column.name}" of table ${table.schema}.${table.name} cannot be null`,
      });
    }
  });
}

const sqlNull = 'null' as JsonText;

/** What no parameter should hold, and bytes of which none could. */
const largeCharacters = 4 * 1024 * 1024;

function isLarge({ values }: ShapeRows): boolean {
  let count = 0;
  for (const column of values) {
    for (const token of column) {
      count += token.length;
    }
  }
  return count > largeCharacters;
}

function isCyclic(column: ColumnShape): boolean {
  return isLink(column) && codecOf(column).reference === 'cycle';
}

/** May be null until the row that it refers to is there. */
function isLink(column: ColumnShape): boolean {
  return (
    codecOf(column).reference !== undefined &&
    column.nullable &&
    column.keyOrdinal === null
  );
}

function jsonWork(rows: ShapeRows, policies: ValuePolicies): RowWork {
  // Values that cannot be written fail now, not when their turn comes.
  const json = jsonRows(rows, policies);
  return async (connection) => {
    const limit = parameterBytes(connection);
    // A character takes three bytes at most.
    if (json.length * 3 <= limit || Buffer.byteLength(json) <= limit) {
      await writeFromJson(connection, rows, json);
      return;
    }
    await eachPacket(connection, rows, policies, (chunk, text) =>
      writeFromJson(connection, chunk, text),
    );
  };
}

/** Of one packet something is left for the statement. */
function parameterBytes({ facts }: MysqlConnection): number {
  return Math.max(0, facts.maxPacketBytes - 64 * 1024);
}

async function eachPacket(
  connection: MysqlConnection,
  rows: ShapeRows,
  policies: ValuePolicies,
  work: (rows: ShapeRows, json: string) => Promise<void>,
): Promise<void> {
  const limit = parameterBytes(connection);
  for (const chunk of packetChunks(rows, limit)) {
    const json = jsonRows(chunk, policies);
    if (Buffer.byteLength(json) > limit) {
      throw new ReplicatorError('E4006', {
        detail: `a row of table ${rows.table.schema}.${rows.table.name} is larger than max_allowed_packet of the target (${connection.facts.maxPacketBytes} bytes)`,
        remedy:
          'raise max_allowed_packet at the target, or let it load files: SET GLOBAL local_infile = ON',
      });
    }
    await work(chunk, json);
  }
}

/** As many parameters as the statement has places, all the same. */
function execute(
  connection: MysqlConnection,
  text: string,
  json: string,
): Promise<Answer> {
  return connection.execute(text, [json]);
}

async function writeFromJson(
  connection: MysqlConnection,
  rows: ShapeRows,
  json: string,
): Promise<void> {
  const source = jsonSource(rows.table, rows.columns);
  const run: Run = (text) => execute(connection, text, json);
  const watched = rewritten(rows);
  if (watched.length > 0) {
    await rewrite(connection, rows, { watched, source, run });
  }
  if (rows.rowCount > 1 && !tellsKeysApart(rows)) {
    await refuseFound(
      run,
      repeatedKeyStatement(rows.table, source),
      rows.table,
    );
  }
  await writeFrom(source, rows, run);
}

type Run = (text: string) => Promise<Answer>;

/** Whether it is plain without the server that no key comes twice. */
function tellsKeysApart({
  table,
  columns,
  values,
  rowCount,
}: ShapeRows): boolean {
  const parts = table.primaryKey.map((column) => {
    const read = readerOf(codecOf(column));
    const tokens = values[columns.indexOf(column)]!;
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

async function writeLoaded(
  connection: MysqlConnection,
  rows: ShapeRows,
  file: readonly Buffer[],
  policies: ValuePolicies,
): Promise<void> {
  const { table, columns } = rows;
  const name = temporaryName(table, columns, 'rows');
  const isThere = await ensureTemporary(connection, name, () =>
    createTemporaryStatement(name, table, columns),
  );
  if (!isThere) {
    await jsonWork(rows, policies)(connection);
    return;
  }
  await fillTemporary(connection, name, rows, file);
  const source = temporarySource(table, name);
  const run: Run = (text) => connection.query(text);
  const watched = rewritten(rows);
  if (watched.length > 0) {
    await rewrite(connection, rows, { watched, source, run });
  }
  await writeFrom(source, rows, run);
  await connection.query(`delete from ${name}`);
}

/** LOAD DATA LOCAL never fails: it makes warnings of what would be errors. */
async function fillTemporary(
  connection: MysqlConnection,
  name: string,
  { columns, rowCount }: ShapeRows,
  file: readonly Buffer[],
): Promise<void> {
  const { affectedRows, warningCount } = await connection.load(
    loadStatement(name, columns),
    file,
  );
  if (warningCount === 0 && affectedRows === rowCount) {
    return;
  }
  const { rows: warnings } = await connection.query('show warnings');
  const [first] = warnings;
  if (first) {
    throw serverFailure({
      errno: Number(first['Code']),
      sqlMessage: first['Message'] ?? '',
    });
  }
  throw new ReplicatorError('E4006', {
    detail: `the target took ${affectedRows} of ${rowCount} rows, with ${warningCount} warnings`,
  });
}

/** False where the account may not create temporary tables. */
async function ensureTemporary(
  connection: MysqlConnection,
  name: string,
  create: () => string,
): Promise<boolean> {
  if (connection.temporaryTables.has(name)) {
    return true;
  }
  if (connection.lacksTemporaryTables) {
    return false;
  }
  try {
    if (connection.temporaryTables.size >= mostTemporaryTables) {
      const oldest: string = connection.temporaryTables.values().next().value!;
      await connection.query(`drop temporary table if exists ${oldest}`);
      connection.temporaryTables.delete(oldest);
    }
    await connection.query(create());
  } catch (error) {
    if (isServerError(error) && error.errno === 1044) {
      connection.lacksTemporaryTables = true;
      return false;
    }
    throw error;
  }
  connection.temporaryTables.add(name);
  return true;
}

const mostTemporaryTables = 64;

function temporaryName(
  table: TableShape,
  columns: readonly ColumnShape[],
  purpose: string,
): string {
  const shape = createHash('sha256')
    .update(
      [table.name, table.fingerprint, ...columns.map(({ name }) => name)].join(
        '\0',
      ),
    )
    .digest('hex')
    .slice(0, 16);
  return `${quoteSchema(table.schema)}.${quoteIdentifier(`replicator_${purpose}_${shape}`)}`;
}

async function writeFrom(
  source: RowSource,
  rows: ShapeRows,
  run: Run,
): Promise<void> {
  const { table, columns, replace = false } = rows;
  const folded = foldedKeyStatement(table, source);
  if (folded !== null) {
    await refuseFound(run, folded, table);
  }
  const links = columns.filter(isLink);
  const direct = columns.filter((column) => !links.includes(column));
  const own = links.filter((column) => !isCyclic(column));
  const hasFixedReference = selfReferences(table).some(({ columns: names }) =>
    names.every((name) => !isLink(table.columnByName.get(name)!)),
  );
  if (
    !replace &&
    !hasFixedReference &&
    links.length === 0 &&
    table.uniqueKeys.length === 0
  ) {
    await run(duplicateKeyUpsert(table, columns, source));
    return;
  }
  const defaulted = replace
    ? writableColumns(table).filter(
        (column) => column.keyOrdinal === null && !columns.includes(column),
      )
    : [];
  const update = updateStatement(table, direct, source, defaulted);
  if (update !== null && !hasFixedReference) {
    await run(update);
  }
  if (hasFixedReference) {
    const ready = insertReadyStatement(table, direct, source);
    while ((await run(ready)).affectedRows > 0) {
      // The next generation.
    }
  }
  await run(insertMissingStatement(table, direct, source));
  if (update !== null && hasFixedReference) {
    await run(update);
  }
  const link = own.length > 0 ? updateStatement(table, own, source) : null;
  if (link !== null) {
    await run(link);
  }
}

async function refuseFound(
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
function rewritten({
  table,
  columns,
  passUniqueValues,
}: ShapeRows): ColumnShape[] {
  if (
    !passUniqueValues ||
    table.deleteHasEffects ||
    vacatedColumns(table) !== null
  ) {
    return [];
  }
  const names = new Set(table.uniqueKeys.flat());
  return columns.filter(
    ({ name, keyOrdinal }) => keyOrdinal === null && names.has(name),
  );
}

async function rewrite(
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
  const { affectedRows } = await run(
    collectRewrittenStatement(table, columns, { watched, source, into }),
  );
  if (affectedRows > 0) {
    for (const statement of rewriteStatements(table, into)) {
      await connection.query(statement);
    }
    await connection.query(`delete from ${into}`);
  }
}
