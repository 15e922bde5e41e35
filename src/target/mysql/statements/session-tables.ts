/** The temporary tables of one session: made once for each shape, filled again and again. */
import { createHash } from 'node:crypto';
import { ReplicatorError } from '../../../failure/failure.ts';
import type { ColumnShape, TableShape } from '../../target.ts';
import type { MysqlConnection } from '../session/driver.ts';
import { isServerError, serverFailure } from '../session/errors.ts';
import type { ServerError } from '../session/server-message.ts';
import { quoteIdentifier, quoteSchema } from '../catalog/quoting.ts';
import type { LoadedRows } from '../values/load-file.ts';
import { memoryLengths, type MemoryLengths } from './memory-tables.ts';
import {
  createMemoryStatement,
  createTemporaryStatement,
  loadStatement,
} from './temporary-tables.ts';

/**
 * Loads the file into a temporary table and says its name; null where the
 * account may not create any. Whoever has written the rows empties it.
 */
export async function loadRows(
  connection: MysqlConnection,
  rows: LoadedRows,
): Promise<string | null> {
  const inMemory = temporaryName(
    rows.table,
    rows.columns,
    rows.hasNumberKeys ? 'memory_unkeyed' : 'memory',
  );
  if (!connection.notInMemory.has(inMemory)) {
    try {
      if (await ensureInMemory(connection, inMemory, rows)) {
        await fillTemporary(connection, inMemory, rows);
        return inMemory;
      }
    } catch (error) {
      if (!isServerError(error) || interruptions.has(error.errno)) {
        throw error;
      }
      connection.notInMemory.add(inMemory);
      await requireTransaction(connection, error);
    }
  }
  const { table, columns } = rows;
  const name = temporaryName(table, columns, 'rows');
  const isThere = await ensureTemporary(connection, name, () =>
    createTemporaryStatement(name, table, columns),
  );
  if (!isThere) {
    return null;
  }
  await fillTemporary(connection, name, rows);
  return name;
}

/** A statement that was stopped; any other refusal is the engine's. */
const interruptions: ReadonlySet<number> = new Set([1317, 1969, 3024]);

/**
 * What was sent ahead of the refused statement may be what failed: outside of
 * a transaction there are no savepoints.
 */
async function requireTransaction(
  connection: MysqlConnection,
  refusal: ServerError,
): Promise<void> {
  try {
    await connection.query(
      'savepoint replicator_load; release savepoint replicator_load',
    );
  } catch {
    throw refusal;
  }
}

/** MySQL 9.7 warns of a transaction that writes to InnoDB and to MEMORY. */
const mixesEngines = 6414;

/** With the next statement that is sent. */
export function emptyTemporary(
  connection: MysqlConnection,
  name: string,
): void {
  const made = connection.temporaryTables.get(name)!;
  made.state = 'emptying';
  connection.sendAhead(`delete from ${name}`, (isDone) => {
    if (made.state === 'emptying') {
      made.state = isDone ? 'empty' : 'filled';
    }
  });
}

/** LOAD DATA LOCAL never fails: it makes warnings of what would be errors. */
async function fillTemporary(
  connection: MysqlConnection,
  name: string,
  { columns, rowCount, file }: LoadedRows,
): Promise<void> {
  const made = connection.temporaryTables.get(name)!;
  if (made.state === 'filled') {
    // What was to be written then has failed.
    emptyTemporary(connection, name);
  }
  made.state = 'filled';
  const { affectedRows, warningCount } = await connection.load(
    loadStatement(name, columns),
    file,
  );
  if (warningCount === 0 && affectedRows === rowCount) {
    return;
  }
  const { rows: warnings } = await connection.query('show warnings');
  const first = warnings.find(({ Code }) => Number(Code) !== mixesEngines);
  if (!first && affectedRows === rowCount) {
    return;
  }
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

/** False where the rows, or all tables, have to be elsewhere. */
async function ensureInMemory(
  connection: MysqlConnection,
  name: string,
  rows: LoadedRows,
): Promise<boolean> {
  const { table, columns } = rows;
  const made = connection.temporaryTables.get(name);
  const lengths = memoryLengths(
    rows,
    connection.facts.memoryTableBytes,
    made?.lengths ?? null,
  );
  if (lengths === null) {
    return false;
  }
  if (
    made &&
    lengths.some((length, place) => length !== made.lengths![place])
  ) {
    await dropTemporary(connection, name);
  }
  return await ensureTemporary(
    connection,
    name,
    () =>
      createMemoryStatement(name, table, columns, {
        lengths,
        isKeyed: !rows.hasNumberKeys,
      }),
    lengths,
  );
}

/** False where the account may not create temporary tables. */
export async function ensureTemporary(
  connection: MysqlConnection,
  name: string,
  create: () => string,
  lengths: MemoryLengths | null = null,
): Promise<boolean> {
  const { temporaryTables } = connection;
  // Least recently used first: what the statement before filled is not dropped.
  const made = temporaryTables.get(name);
  if (made) {
    temporaryTables.delete(name);
    temporaryTables.set(name, made);
    return true;
  }
  if (connection.lacksTemporaryTables) {
    return false;
  }
  try {
    if (temporaryTables.size >= mostTemporaryTables) {
      await dropTemporary(connection, temporaryTables.keys().next().value!);
    }
    await connection.query(create());
  } catch (error) {
    if (isServerError(error) && error.errno === 1044) {
      connection.lacksTemporaryTables = true;
      return false;
    }
    throw error;
  }
  temporaryTables.set(name, { lengths, state: 'empty' });
  return true;
}

async function dropTemporary(
  connection: MysqlConnection,
  name: string,
): Promise<void> {
  await connection.query(`drop temporary table if exists ${name}`);
  connection.temporaryTables.delete(name);
}

const mostTemporaryTables = 64;

export function temporaryName(
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
