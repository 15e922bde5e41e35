/** The temporary tables of one session: made once for each shape, filled again and again. */
import { createHash } from 'node:crypto';
import { ReplicatorError } from '../../../failure/failure.ts';
import type { ColumnShape, ShapeRows, TableShape } from '../../target.ts';
import type { MysqlConnection } from '../session/driver.ts';
import { isServerError, serverFailure } from '../session/errors.ts';
import { quoteIdentifier, quoteSchema } from '../catalog/quoting.ts';
import { loadStatement } from './temporary-tables.ts';

/** LOAD DATA LOCAL never fails: it makes warnings of what would be errors. */
export async function fillTemporary(
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
export async function ensureTemporary(
  connection: MysqlConnection,
  name: string,
  create: () => string,
): Promise<boolean> {
  // Least recently used first: what the statement before filled is not dropped.
  if (connection.temporaryTables.delete(name)) {
    connection.temporaryTables.add(name);
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
