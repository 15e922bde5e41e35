/** The SQL of the watermark that is kept in the target itself. */
import type { SchemaName } from '../../../mutation/schema-name.ts';
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
 * Raises the epoch, to $4 where that is given; waits for an old holder's
 * commit and sees its result. Answers no row when the watermark belongs to
 * another staging store, or its epoch is not below $4.
 */
export function claimCheckpointStatement(schema: SchemaName): string {
  return `insert into ${quoteSchema(schema)}.${checkpointTable} as c (schema_name, applied, epoch, staging_id)
values ($1, $2, coalesce($4::bigint, 1), $3)
on conflict (schema_name) do update
set epoch = coalesce($4::bigint, c.epoch + 1), staging_id = $3, updated_at = now()
where (c.staging_id = $3 or c.applied = $2) and c.epoch < coalesce($4::bigint, c.epoch + 1)
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

/**
 * Divides by zero when the epoch is no longer ours. The shared lock keeps a
 * claim waiting until the commit has ended, and lets other commits pass.
 */
export function fenceStatement(schema: SchemaName): string {
  return `with held as (
  select 1 from ${quoteSchema(schema)}.${checkpointTable}
  where schema_name = $1 and epoch = $2
  for share
)
select 1 / count(*) from held`;
}

export function readCheckpointStatement(schema: SchemaName): string {
  return `select applied, epoch, staging_id from ${quoteSchema(schema)}.${checkpointTable} where schema_name = $1`;
}
