/** Looking for one row among the bodies of the log: the server looks into them. */
import { timeBucket } from '../../mutation/timestamp.ts';
import {
  mayHold,
  soughtBytes,
  soughtEntriesLimit,
  soughtPageEntries,
} from '../sought-row.ts';
import type { SoughtRow } from '../staging.ts';
import { parseEntryId } from './entry-id.ts';
import { type EntryRow, readEntry } from './rows.ts';
import type { Statements } from './statements.ts';

type Run = <Row extends object>(
  statement: string,
  values: readonly unknown[],
  signal: AbortSignal | undefined,
) => Promise<Row[]>;

export function logSearch(
  { countNear, findNear }: Pick<Statements, 'countNear' | 'findNear'>,
  run: Run,
): (row: SoughtRow, signal?: AbortSignal) => Promise<boolean> {
  return async (row, signal) => {
    const { schema, table, version } = row;
    const place = [schema, timeBucket(version), version, table];
    const bytes = soughtBytes(row);
    const wanted = [bytes.version, bytes.head, bytes.key, soughtPageEntries];
    let cursor = [timeBucket(version), ''];
    for (;;) {
      const rows = await run<EntryRow>(
        findNear,
        [...place, ...cursor, ...wanted],
        signal,
      );
      if (rows.some((found) => mayHold(readEntry(found), row))) {
        return true;
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < soughtPageEntries) {
        break;
      }
      const position = parseEntryId(readEntry(last).id)!;
      cursor = [position.minTime, position.stored];
    }
    const [counted] = await run<{ entries: string }>(
      countNear,
      [...place, soughtEntriesLimit + 1],
      signal,
    );
    return Number(counted!.entries) > soughtEntriesLimit;
  };
}
