/** The SQL of the watermark that is kept in the target itself (design D2). */
import type { SchemaName } from '../../mutation/schema-name.ts';
import { quoteSchema } from './statements.ts';

export const checkpointTable = 'replicator_checkpoint';

export function createCheckpointStatement(schema: SchemaName): string {
  return `create table if not exists ${quoteSchema(schema)}.${checkpointTable} (
  schema_name text primary key,
  applied text not null,
  epoch bigint not null,
  staging_id text not null,
  updated_at timestamptz not null default now()
)`;
}

/**
 * Raises the epoch; waits for an old holder's commit and sees its result.
 * Answers no row when the watermark belongs to another staging store.
 */
export function claimCheckpointStatement(schema: SchemaName): string {
  return `insert into ${quoteSchema(schema)}.${checkpointTable} as c (schema_name, applied, epoch, staging_id)
values ($1, $2, 1, $3)
on conflict (schema_name) do update
set epoch = c.epoch + 1, staging_id = $3, updated_at = now()
where c.staging_id = $3 or c.applied = $2
returning c.applied, c.epoch`;
}

/**
 * Divides by zero when the epoch is no longer ours or the watermark is not
 * where it was left: an error, and not an empty result, is what keeps the
 * commit sent right behind it from taking effect.
 */
export function moveCheckpointStatement(schema: SchemaName): string {
  return `with moved as (
  update ${quoteSchema(schema)}.${checkpointTable}
  set applied = $2, updated_at = now()
  where schema_name = $1 and epoch = $3 and applied = $4
  returning 1
)
select 1 / count(*) from moved`;
}

export function readCheckpointStatement(schema: SchemaName): string {
  return `select applied, epoch from ${quoteSchema(schema)}.${checkpointTable} where schema_name = $1`;
}
