/** Rows of the staging tables as the door's records. */
import type { SchemaName } from '../../mutation/schema-name.ts';
import { type Timestamp, zeroTimestamp } from '../../mutation/timestamp.ts';
import type {
  Checkpoint,
  EntryFilter,
  EntrySummary,
  StagedEntry,
} from '../staging.ts';
import { printEntryId } from './entry-id.ts';

/** int8 arrives as text. */
export interface SummaryRow {
  readonly schema_name: SchemaName;
  readonly min_time: Timestamp;
  readonly id: string;
  readonly max_time: Timestamp;
  readonly table_name: string;
  readonly row_count: string;
  readonly byte_count: string;
}

export interface EntryRow extends SummaryRow {
  /** Base64. */
  readonly body: string;
}

export interface CheckpointRow {
  readonly schema_name: SchemaName;
  readonly resolved: Timestamp;
  readonly applied: Timestamp;
  readonly applied_in_target: Timestamp;
  readonly retired: Timestamp;
}

export interface CountRow {
  readonly entries: string;
  readonly row_total: string;
  readonly byte_total: string;
}

export const summaryColumns =
  'schema_name, min_time, id, max_time, table_name, row_count, byte_count';
export const checkpointColumns =
  'schema_name, resolved, applied, applied_in_target, retired';
/** sum of int8 is numeric, which prints without an exponent or a point. */
export const countColumns = `count(*) as entries, coalesce(sum(row_count), 0) as row_total,
  coalesce(sum(byte_count), 0) as byte_total`;

export function readSummary(row: SummaryRow): EntrySummary {
  return {
    id: printEntryId(row.min_time, row.id),
    schema: row.schema_name,
    table: row.table_name,
    minTime: row.min_time,
    maxTime: row.max_time,
    rowCount: Number(row.row_count),
    byteCount: Number(row.byte_count),
  };
}

export function readEntry(row: EntryRow): StagedEntry {
  return { ...readSummary(row), body: Buffer.from(row.body, 'base64') };
}

export function readCheckpoint(row: CheckpointRow | undefined): Checkpoint {
  return {
    resolved: row?.resolved ?? zeroTimestamp,
    applied: row?.applied ?? zeroTimestamp,
    appliedInTarget: row?.applied_in_target ?? zeroTimestamp,
    retired: row?.retired ?? zeroTimestamp,
  };
}

/** The filter as a condition on parameters from `$first` on. */
export function filterSql(
  filter: EntryFilter,
  first: number,
): { where: string; values: string[] } {
  const conditions = ['true'];
  const values: string[] = [];
  const parameter = (value: string): string => {
    values.push(value);
    return `$${first + values.length - 1}`;
  };
  if (filter.schema !== undefined) {
    conditions.push(`schema_name = ${parameter(filter.schema)}`);
  }
  if (filter.table !== undefined) {
    conditions.push(`table_name = ${parameter(filter.table)}`);
  }
  if (filter.through !== undefined) {
    const through = parameter(filter.through);
    // The first of the two bounds the range of the primary key.
    conditions.push(`min_time <= ${through} and max_time <= ${through}`);
  }
  return { where: conditions.join(' and '), values };
}
