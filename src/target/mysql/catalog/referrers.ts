/**
 * Who refers to the tables of a database.
 *
 * Invariant: nothing is done to a row of which it is not known that nobody
 * follows it: a value that is taken away for a moment, a row that goes and
 * comes back, would change rows that refer to it, and nobody would hear of it.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import { referrersQuery } from './catalog-queries.ts';
import type { MysqlConnection, TextRow } from '../session/driver.ts';
import { targetFailure } from '../session/errors.ts';
import { quoteText } from './quoting.ts';

/** A column that a foreign key ends at, and what the key does. */
export interface ReferredColumn {
  readonly parentTable: string;
  readonly parentColumn: string;
  /** The key is of the same table. */
  readonly isOwn: boolean;
  /** Deleting the row deletes or changes the one that refers to it. */
  readonly takes: boolean;
  /** Changing the value changes the one that refers to it. */
  readonly follows: boolean;
}

/** Bits of TYPE in InnoDB's catalog. */
const deleteRules = 1 | 2;
const updateRules = 4 | 8;

/** Null where the account may not know: keys from databases that it cannot see. */
export async function readReferrers(
  connection: MysqlConnection,
  database: string,
): Promise<ReferredColumn[] | null> {
  const { isMariadb, foldsTableNames } = connection.facts;
  let rows: readonly TextRow[];
  try {
    const query = referrersQuery(quoteText(database), isMariadb);
    ({ rows } = await connection.query(query));
  } catch (error) {
    const failure = targetFailure(error, 'statement');
    if (failure instanceof ReplicatorError && failure.code === 'E4007') {
      return null;
    }
    throw error;
  }
  const prefix = `${database}/`;
  return rows
    .filter(({ parent }) => foldsTableNames || parent!.startsWith(prefix))
    .map((row) => ({
      parentTable: row['parent']!.slice(prefix.length),
      parentColumn: row['parent_column']!,
      isOwn: row['child'] === row['parent'],
      takes: (Number(row['rules']) & deleteRules) !== 0,
      follows: (Number(row['rules']) & updateRules) !== 0,
    }));
}

/** As information_schema tells it, of keys whose tables the account may see. */
export function referredColumns(
  keys: readonly TextRow[],
  keyColumns: readonly TextRow[],
): ReferredColumn[] {
  const idOf = (row: TextRow, table: string): string =>
    [row['child_schema'], row[table], row['name']].join('\0');
  const columns = Map.groupBy(keyColumns, (row) => idOf(row, 'table_name'));
  return keys.flatMap((key) =>
    (columns.get(idOf(key, 'child_table')) ?? []).map((column) => ({
      parentTable: key['parent_table']!,
      parentColumn: column['parent_column']!,
      isOwn:
        column['child_schema'] === column['parent_schema'] &&
        column['table_name'] === column['parent_table'],
      takes: isAction(key['delete_rule']!),
      follows: isAction(key['update_rule']!),
    })),
  );
}

function isAction(rule: string): boolean {
  return !['NO ACTION', 'RESTRICT'].includes(rule);
}
