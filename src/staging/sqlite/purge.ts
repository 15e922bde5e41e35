/** Deleting entries for `staging purge`, in steps that a daemon can bear. */
import type { DatabaseSync } from 'node:sqlite';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { type EntryFilter, positionMemo, purgedMemo } from '../staging.ts';
import { filterSql } from './rows.ts';
import type { SchemaTotals, Totals } from './totals.ts';

/** A step holds the write lock, for which a daemon has to wait. */
const stepEntries = 500;

/** What the filter selects. */
export function countEntries(
  database: DatabaseSync,
  filter: EntryFilter,
): SchemaTotals {
  const { where, values } = filterSql(filter);
  const row = database
    .prepare(
      `select count(*) as entries, coalesce(sum(row_count), 0) as row_count,
         coalesce(sum(byte_count), 0) as bytes from log where ${where}`,
    )
    .get(...values)!;
  return {
    entryCount: Number(row['entries']),
    rowCount: Number(row['row_count']),
    byteCount: Number(row['bytes']),
  };
}

/**
 * One step, inside a transaction; returns what went. `retired` moves only as
 * far as `applied`: what was purged unapplied was not retired.
 */
export function purgeStep(
  database: DatabaseSync,
  filter: EntryFilter,
  totals: Totals,
): SchemaTotals {
  const { where, values } = filterSql(filter);
  const rows = database
    .prepare(
      `delete from log where id in (select id from log where ${where} limit ${stepEntries})
       returning schema_name, max_time, row_count, byte_count`,
    )
    .all(...values);
  const moveRetired = database.prepare(
    `update checkpoint set retired = max(retired, min(applied, ?)) where schema_name = ?`,
  );
  const gone = { entryCount: rows.length, rowCount: 0, byteCount: 0 };
  const latest = new Map<SchemaName, string>();
  for (const row of rows) {
    const schema = row['schema_name'] as SchemaName;
    const maxTime = row['max_time'] as string;
    const rowCount = Number(row['row_count']);
    const byteCount = Number(row['byte_count']);
    totals.add(schema, -1, -rowCount, -byteCount);
    gone.rowCount += rowCount;
    gone.byteCount += byteCount;
    if (maxTime > (latest.get(schema) ?? '')) {
      latest.set(schema, maxTime);
    }
  }
  for (const [schema, maxTime] of latest) {
    moveRetired.run(maxTime, schema);
    notePurgedThrough(database, schema, maxTime);
  }
  return gone;
}

/** Before the first step: what is forgotten with the checkpoint. */
export function notePurge(database: DatabaseSync, filter: EntryFilter): void {
  const { schema } = filter;
  if (schema !== undefined && forgetsSchema(filter)) {
    const row = database
      .prepare(
        'select max(resolved, applied, retired) as time from checkpoint where schema_name = ?',
      )
      .get(schema);
    if (row !== undefined) {
      notePurgedThrough(database, schema, row['time'] as string);
    }
  }
}

function notePurgedThrough(
  database: DatabaseSync,
  schema: SchemaName,
  time: string,
): void {
  database
    .prepare(
      `insert into memo (name, value) values (?, ?)
       on conflict (name) do update set value = max(value, excluded.value)`,
    )
    .run(purgedMemo(schema), time);
}

function forgetsSchema({ table, through }: EntryFilter): boolean {
  return table === undefined && through === undefined;
}

/** One step, inside a transaction, of what lies after the time. */
export function discardStep(
  database: DatabaseSync,
  schema: SchemaName,
  after: string,
  totals: Totals,
): number {
  const rows = database
    .prepare(
      `delete from log where id in (
         select id from log where schema_name = ? and min_time > ? limit ${stepEntries})
       returning row_count, byte_count`,
    )
    .all(schema, after);
  for (const row of rows) {
    totals.add(
      schema,
      -1,
      -Number(row['row_count']),
      -Number(row['byte_count']),
    );
  }
  return rows.length;
}

/** Purging all of a schema means to begin anew with it. */
export function forgetSchema(
  database: DatabaseSync,
  filter: EntryFilter,
): void {
  const { schema } = filter;
  if (schema !== undefined && forgetsSchema(filter)) {
    database
      .prepare('delete from checkpoint where schema_name = ?')
      .run(schema);
    database
      .prepare('delete from memo where name = ?')
      .run(positionMemo(schema));
  }
}
