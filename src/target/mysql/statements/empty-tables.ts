/**
 * How tables are emptied: row by row, for TRUNCATE would commit. The counters
 * of AUTO_INCREMENT go on, because setting them would commit too.
 */
import type { TableShape } from '../../target.ts';
import { deleteRows, unlinkRows } from './delete-rows.ts';
import type { MysqlConnection } from '../session/driver.ts';
import { quoteTable } from '../catalog/quoting.ts';
import { selfReferences } from './statements.ts';

/** So many rows go in a moment: a statement must end before `--applyTimeout`. */
const rowsPerStatement = 20_000;

export function emptyStatement(table: TableShape): string {
  return `delete from ${quoteTable(table)} limit ${rowsPerStatement}`;
}

/** Children first. */
export async function emptyTables(
  connection: MysqlConnection,
  tables: readonly TableShape[],
): Promise<void> {
  for (const table of tables) {
    await unlinkRows(connection, table, ['true']);
  }
  for (const table of tables) {
    if (selfReferences(table).length > 0 && table.primaryKey.length > 0) {
      await deleteRows(connection, table, ['true']);
      continue;
    }
    let affectedRows: number;
    do {
      ({ affectedRows } = await connection.query(emptyStatement(table)));
    } while (affectedRows === rowsPerStatement);
  }
}
