/** The SQL of the watermark that is kept in the target itself. */
import type { SchemaName } from '../../../mutation/schema-name.ts';
import type { EpochFence, WatermarkMove } from '../../target.ts';
import { quoteSchema, quoteText } from '../catalog/quoting.ts';

export const checkpointTable = 'replicator_checkpoint';

function tableName(schema: SchemaName): string {
  return `${quoteSchema(schema)}.${checkpointTable}`;
}

export function createCheckpointStatement(schema: SchemaName): string {
  return `create table if not exists ${tableName(schema)} (
  schema_name varchar(255) character set utf8mb4 collate utf8mb4_bin not null primary key,
  applied varchar(64) character set ascii collate ascii_bin not null,
  epoch bigint not null,
  staging_id varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
  updated_at datetime(6) not null
) engine = InnoDB`;
}

/**
 * The row of the schema, made where there is none, and locked; waits for an
 * old holder's commit and sees its result.
 */
export function lockCheckpointStatement(
  schema: SchemaName,
  stagingId: string,
  zero: string,
): string {
  const [name, id, none] = [schema, stagingId, zero].map(quoteText);
  return `insert into ${tableName(schema)} (schema_name, applied, epoch, staging_id, updated_at)
values (${name}, ${none}, 0, ${id}, now(6))
on duplicate key update schema_name = schema_name`;
}

/** Behind the lock, and after a look at the row. */
export function claimCheckpointStatement(
  schema: SchemaName,
  stagingId: string,
  epoch: number,
): string {
  return `update ${tableName(schema)}
set epoch = ${epoch}, staging_id = ${quoteText(stagingId)}, updated_at = now(6)
where schema_name = ${quoteText(schema)}`;
}

/**
 * Sent in one message with the commit behind it. When the epoch is no longer
 * ours, or the watermark is not where it was left, the second statement leaves
 * the range of a double: the server skips what is behind an error, so that
 * nothing is committed.
 */
export function moveCheckpointStatement({
  schema,
  checkpoint,
  previous,
}: WatermarkMove): string {
  return `update ${tableName(schema)}
set applied = ${quoteText(checkpoint.applied)}, updated_at = now(6)
where schema_name = ${quoteText(schema)} and epoch = ${checkpoint.epoch} and applied = ${quoteText(previous)};
select exp(710 * (row_count() <> 1))`;
}

/**
 * As above, in front of the commit. The shared lock keeps a claim waiting
 * until the commit has ended, and lets other commits pass.
 */
export function fenceStatement({ schema, epoch }: EpochFence): string {
  return `select exp(710 * (count(*) <> 1)) from (
  select 1 from ${tableName(schema)}
  where schema_name = ${quoteText(schema)} and epoch = ${epoch}
  lock in share mode
) held`;
}

/** The error of a watermark that did not move: out of range. */
export const didNotMoveNumber = 1690;

export function readCheckpointStatement(schema: SchemaName): string {
  return `select applied, cast(epoch as char) as epoch, staging_id from ${tableName(schema)} where schema_name = ${quoteText(schema)}`;
}
