/** How keys are deleted on one connection, also those of rows that refer to each other. */
import type { TableShape } from '../../target.ts';
import { codecOf } from '../values/codec.ts';
import type { MysqlConnection } from '../session/driver.ts';
import {
  deleteLeavesStatement,
  deleteStatement,
  keyCondition,
  setNullStatement,
} from './key-statements.ts';
import { selfReferences } from './statements.ts';

/**
 * The server turns longer lists into a scan or a join: MariaDB's
 * in_predicate_conversion_threshold is 1000, and MySQL's
 * range_optimizer_max_mem_size of 8 MiB ends at some tens of thousands.
 */
const keysPerList = 999;
/** Long keys: far below any max_allowed_packet. */
const charactersPerList = 256 * 1024;

/** `texts[k][r]` is the text of key column k in row r. */
export function keyConditions(
  table: TableShape,
  texts: readonly (readonly (string | null)[])[],
): string[] {
  const conditions: string[] = [];
  const rowCount = texts[0]?.length ?? 0;
  let start = 0;
  let size = 0;
  for (let row = 0; row < rowCount; row++) {
    let rowSize = 0;
    for (const column of texts) {
      rowSize += column[row]?.length ?? 4;
    }
    if (
      row > start &&
      (row - start >= keysPerList || size + rowSize > charactersPerList)
    ) {
      conditions.push(
        keyCondition(
          table,
          texts.map((column) => column.slice(start, row)),
        ),
      );
      start = row;
      size = 0;
    }
    size += rowSize;
  }
  if (rowCount > start) {
    conditions.push(
      keyCondition(
        table,
        texts.map((column) => column.slice(start)),
      ),
    );
  }
  return conditions;
}

/**
 * Takes away what the rows refer to in a circle. True where rows of other
 * tables may still refer to them, until those have been unlinked too.
 */
export async function unlinkRows(
  connection: MysqlConnection,
  table: TableShape,
  conditions: readonly string[],
): Promise<boolean> {
  const links = table.columns.filter(
    (column) =>
      codecOf(column).reference !== undefined &&
      column.nullable &&
      column.keyOrdinal === null &&
      !column.generated,
  );
  if (links.length > 0) {
    const names = links.map(({ name }) => name);
    for (const condition of conditions) {
      await connection.query(setNullStatement(table, names, condition));
    }
  }
  return table.columns.some((column) => codecOf(column).reference === 'cycle');
}

export async function deleteRows(
  connection: MysqlConnection,
  table: TableShape,
  conditions: readonly string[],
): Promise<void> {
  const hasFixedReference = selfReferences(table).some(({ columns }) =>
    columns.every((name) => {
      const column = table.columnByName.get(name)!;
      return !column.nullable || column.keyOrdinal !== null;
    }),
  );
  if (hasFixedReference) {
    await deleteByGeneration(connection, table, conditions);
  }
  for (const condition of conditions) {
    await connection.query(deleteStatement(table, condition));
  }
}

/**
 * The youngest first. InnoDB refuses to delete a row that is its own parent:
 * where no other table refers to this one, nothing is missed when it does not
 * look.
 */
async function deleteByGeneration(
  connection: MysqlConnection,
  table: TableShape,
  conditions: readonly string[],
): Promise<void> {
  const isReferred = table.columns.some((column) => codecOf(column).referred);
  let affectedRows: number;
  const deleteLeaves = async (ownChildren: boolean): Promise<void> => {
    for (const condition of conditions) {
      const answer = await connection.query(
        deleteLeavesStatement(table, condition, ownChildren),
      );
      affectedRows += answer.affectedRows;
    }
  };
  do {
    affectedRows = 0;
    await deleteLeaves(false);
    if (!isReferred) {
      await connection.query('set session foreign_key_checks = 0');
      await deleteLeaves(true);
      await connection.query('set session foreign_key_checks = 1');
    }
  } while (affectedRows > 0);
}
