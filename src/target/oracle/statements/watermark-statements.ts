/** The SQL of the watermark that is kept in the target itself. */
import type { SchemaName } from '../../../mutation/schema-name.ts';
import { quoteSchema } from './statements.ts';

export const checkpointTable = 'REPLICATOR_CHECKPOINT';

/** DDL commits: outside any transaction of ours. */
export function createCheckpointStatement(schema: SchemaName): string {
  return `create table ${quoteSchema(schema)}.${checkpointTable} (
  schema_name varchar2(128 byte) primary key,
  applied varchar2(64 byte) not null,
  epoch number(19) not null,
  staging_id varchar2(255 char) not null,
  updated_at timestamp (6) with time zone default systimestamp not null
)`;
}

/**
 * Raises the epoch, to the fourth bind where that is not negative; waits for an old
 * holder's commit and sees its result. Touches no row when the watermark
 * belongs to another staging store, or its epoch is not below the fourth
 * bind. Binds: schema, zero, staging store, epoch.
 */
export function claimCheckpointStatement(schema: SchemaName): string {
  return `merge into ${quoteSchema(schema)}.${checkpointTable} c
using (select :1 as schema_name, :2 as zero, :3 as staging_id, to_number(:4) as epoch from dual) v
on (c.schema_name = v.schema_name)
when matched then update set
  c.epoch = case when v.epoch < 0 then c.epoch + 1 else v.epoch end,
  c.staging_id = v.staging_id,
  c.updated_at = systimestamp
where (c.staging_id = v.staging_id or c.applied = v.zero)
  and (v.epoch < 0 or c.epoch < v.epoch)
when not matched then insert (schema_name, applied, epoch, staging_id)
values (v.schema_name, v.zero, case when v.epoch < 0 then 1 else v.epoch end, v.staging_id)`;
}

/**
 * Touches no row when the epoch is no longer ours or the watermark is not
 * where it was left. Binds: new watermark, schema, epoch, old watermark.
 */
export function moveCheckpointStatement(schema: SchemaName): string {
  return `update ${quoteSchema(schema)}.${checkpointTable}
set applied = :1, updated_at = systimestamp
where schema_name = :2 and epoch = to_number(:3) and applied = :4`;
}

/**
 * Touches no row when the epoch is no longer ours. There are no shared row
 * locks: commits with fences pass one after the other. Binds: schema, epoch.
 */
export function fenceStatement(schema: SchemaName): string {
  return `update ${quoteSchema(schema)}.${checkpointTable}
set updated_at = systimestamp
where schema_name = :1 and epoch = to_number(:2)`;
}

export function readCheckpointStatement(schema: SchemaName): string {
  return `select applied, epoch, staging_id from ${quoteSchema(schema)}.${checkpointTable} where schema_name = :1`;
}

/** Whatever the database does by default, a commit is on disk when it ends. */
export const commitStatement = 'commit write immediate wait';
