/** How rows of a table without a primary key are inserted: nothing is looked up. */
import type { ShapeRows } from '../../target.ts';
import { loadedRows } from '../values/load-file.ts';
import { jsonSource, temporarySource } from '../values/row-source.ts';
import { emptyTemporary, loadRows } from './session-tables.ts';
import { insertStatement } from './statements.ts';
import {
  eachPacket,
  isLoaded,
  refuseReplacedNulls,
  type RowWork,
  type WriteOptions,
} from './write-rows.ts';

/** Values that cannot be written fail now, not when their turn comes. */
export function prepareInsert(rows: ShapeRows, options: WriteOptions): RowWork {
  const { table, columns } = rows;
  const { policies } = options;
  refuseReplacedNulls(rows);
  const fromJson: RowWork = (connection) =>
    eachPacket(connection, rows, policies, async (_, json) => {
      await connection.execute(
        insertStatement(table, columns, jsonSource(table, columns)),
        [json],
      );
    });
  if (!isLoaded(rows, options)) {
    return fromJson;
  }
  const loaded = loadedRows(rows, policies);
  return async (connection) => {
    const name = await loadRows(connection, loaded);
    if (name === null) {
      await fromJson(connection);
      return;
    }
    await connection.query(
      insertStatement(table, columns, temporarySource(table, name)),
    );
    emptyTemporary(connection, name);
  };
}
