/** Looking for one row among the bodies of the log. */
import type { DatabaseSync } from 'node:sqlite';
import { timeBucket } from '../../mutation/timestamp.ts';
import { mayHold, soughtBytes, soughtEntriesLimit } from '../sought-row.ts';
import type { SoughtRow } from '../staging.ts';
import { entryColumns, readEntry } from './rows.ts';

export function openLogSearch(
  database: DatabaseSync,
): (row: SoughtRow) => boolean {
  const near = `from log where schema_name = ? and min_time >= ? and min_time <= ?
    and max_time >= ? and table_name = ?`;
  const count = database.prepare(
    `select count(*) as entries from (select 1 ${near} limit ?)`,
  );
  const select = database.prepare(
    `select ${entryColumns} ${near} and instr(body, ?) > 0
       and (substr(body, 6, ?) <> ? or instr(body, ?) > 0)`,
  );
  return (row) => {
    const { schema, table, version } = row;
    const place = [schema, timeBucket(version), version, version, table];
    const entries = Number(
      count.get(...place, soughtEntriesLimit + 1)!['entries'],
    );
    if (entries > soughtEntriesLimit) {
      return true;
    }
    const bytes = soughtBytes(row);
    const { head, key } = bytes;
    const wanted = [bytes.version, head.length, head, key];
    for (const found of select.iterate(...place, ...wanted)) {
      if (mayHold(readEntry(found), row)) {
        return true;
      }
    }
    return false;
  };
}
