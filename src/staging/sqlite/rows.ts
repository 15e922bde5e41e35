/** Rows of staging.db as the door's records. */
import type { SQLOutputValue } from 'node:sqlite';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { type Timestamp, zeroTimestamp } from '../../mutation/timestamp.ts';
import type {
  Checkpoint,
  EntryFilter,
  EntrySummary,
  StagedEntry,
} from '../staging.ts';

type Row = Record<string, SQLOutputValue>;

export const summaryColumns =
  'id, schema_name, table_name, min_time, max_time, row_count, byte_count';
export const entryColumns = `${summaryColumns}, body`;
export const checkpointColumns =
  'resolved, applied, applied_in_target, retired';

export function readSummary(row: Row): EntrySummary {
  return {
    // Padded, so that ids are ascending as text too.
    id: String(row['id']).padStart(12, '0'),
    schema: row['schema_name'] as SchemaName,
    table: row['table_name'] as string,
    minTime: row['min_time'] as Timestamp,
    maxTime: row['max_time'] as Timestamp,
    rowCount: Number(row['row_count']),
    byteCount: Number(row['byte_count']),
  };
}

export function readEntry(row: Row): StagedEntry {
  const body = row['body'] as Uint8Array;
  return {
    ...readSummary(row),
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
  };
}

export function readCheckpoint(row: Row | undefined): Checkpoint {
  const time = (column: string): Timestamp =>
    (row?.[column] as Timestamp | undefined) ?? zeroTimestamp;
  return {
    resolved: time('resolved'),
    applied: time('applied'),
    appliedInTarget: time('applied_in_target'),
    retired: time('retired'),
  };
}

/** The filter as a condition; `through` bounds the index by minTime too. */
export function filterSql(filter: EntryFilter): {
  where: string;
  values: string[];
} {
  const conditions = ['true'];
  const values: string[] = [];
  if (filter.schema !== undefined) {
    conditions.push('schema_name = ?');
    values.push(filter.schema);
  }
  if (filter.table !== undefined) {
    conditions.push('table_name = ?');
    values.push(filter.table);
  }
  if (filter.through !== undefined) {
    conditions.push('min_time <= ? and max_time <= ?');
    values.push(filter.through, filter.through);
  }
  return { where: conditions.join(' and '), values };
}
