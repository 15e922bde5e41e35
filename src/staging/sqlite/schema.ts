/** The tables of staging.db and their versions, forward only. */
import type { DatabaseSync } from 'node:sqlite';
import { ReplicatorError } from '../../failure/failure.ts';

/**
 * Step n leads from version n to n + 1. A step, once released, is never
 * changed: what must be different becomes the next step.
 *
 * `log_by_time` carries every column but the body, so that listing, counting
 * and retiring read the index alone and never the pages of the bodies.
 */
export const sqliteMigrations: readonly string[] = [
  `
  create table log (
    id integer primary key autoincrement,
    schema_name text not null,
    table_name text not null,
    min_time text not null,
    max_time text not null,
    row_count integer not null,
    byte_count integer not null,
    body blob not null
  ) strict;
  create index log_by_time on log
    (schema_name, min_time, id, max_time, table_name, row_count, byte_count);
  create table checkpoint (
    schema_name text primary key,
    resolved text not null,
    applied text not null,
    applied_in_target text not null,
    retired text not null
  ) strict, without rowid;
  create table memo (
    name text primary key,
    value text not null
  ) strict, without rowid;
  `,
  // The defaults are for whoever adds a key with a statement of their own.
  `
  create table jwt_public_keys (
    id text primary key not null default (
      lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' ||
        substr(hex(randomblob(2)), 2) || '-a' || substr(hex(randomblob(2)), 2) ||
        '-' || hex(randomblob(6)))),
    public_key text not null,
    active integer not null default 1
  ) strict;
  create table jwt_revoked_ids (
    id text primary key not null
  ) strict, without rowid;
  `,
];

/** The version of the tables in the file; 0 where there are none. */
export function schemaVersion(database: DatabaseSync): number {
  const present = database
    .prepare(
      "select 1 from sqlite_schema where type = 'table' and name = 'schema_version'",
    )
    .get();
  if (present === undefined) {
    return 0;
  }
  const row = database.prepare('select version from schema_version').get();
  return Number(row?.['version'] ?? 0);
}

/** Refuses a file of a newer version (E2003), before anything is written. */
export function refuseNewer(version: number, known: number): void {
  if (version > known) {
    throw new ReplicatorError('E2003', {
      detail: `the staging schema is of version ${version}, this replicator knows ${known}`,
    });
  }
}

/** Brings the file to the newest version in one transaction. */
export function migrate(
  database: DatabaseSync,
  migrations: readonly string[] = sqliteMigrations,
): void {
  refuseNewer(schemaVersion(database), migrations.length);
  if (schemaVersion(database) === migrations.length) {
    return;
  }
  database.exec('begin immediate');
  try {
    database.exec(
      'create table if not exists schema_version (version integer not null) strict',
    );
    for (const step of migrations.slice(schemaVersion(database))) {
      database.exec(step);
    }
    database.exec('delete from schema_version');
    database
      .prepare('insert into schema_version (version) values (?)')
      .run(migrations.length);
    database.exec('commit');
  } catch (error) {
    if (database.isTransaction) {
      database.exec('rollback');
    }
    throw error;
  }
}
