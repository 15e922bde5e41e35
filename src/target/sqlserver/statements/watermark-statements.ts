/** The SQL of the watermark that is kept in the target itself. */
import type { SchemaName } from '../../../mutation/schema-name.ts';
import { quoteSchema, quoteString } from '../catalog/quoting.ts';
import { ownErrors } from './statements.ts';

export const checkpointTable = 'replicator_checkpoint';

function qualifiedName(schema: SchemaName): string {
  return `${quoteSchema(schema)}.${checkpointTable}`;
}

/** Nonclustered: a printed schema name may be longer than 900 bytes. */
export function createCheckpointStatement(schema: SchemaName): string {
  return `if object_id(${quoteString(qualifiedName(schema))}) is null
create table ${qualifiedName(schema)} (
  schema_name nvarchar(600) collate Latin1_General_BIN2 not null primary key nonclustered,
  applied varchar(40) not null,
  epoch bigint not null,
  staging_id nvarchar(200) not null,
  updated_at datetime2 not null default sysutcdatetime()
);`;
}

/** Answers one row, `there` 0 or 1. */
export function findCheckpointStatement(schema: SchemaName): string {
  return `select case when object_id(${quoteString(qualifiedName(schema))}) is null then 0 else 1 end as there;`;
}

/**
 * Raises the epoch, to @epoch where that is not negative; waits for an old holder's
 * commit and sees its result. Answers no row when the watermark belongs to
 * another staging store, or its epoch is not below @epoch.
 */
export function claimCheckpointStatement(schema: SchemaName): string {
  const name = qualifiedName(schema);
  return `declare @wanted bigint;
set @wanted = cast(@epoch as bigint);
begin transaction;
update ${name} with (updlock, serializable)
set epoch = case when @wanted < 0 then epoch + 1 else @wanted end, staging_id = @staging, updated_at = sysutcdatetime()
where schema_name = @schema and (staging_id = @staging or applied = @zero)
  and (@wanted < 0 or epoch < @wanted);
declare @raised int;
set @raised = @@rowcount;
insert into ${name} (schema_name, applied, epoch, staging_id)
select @schema, @zero, case when @wanted < 0 then 1 else @wanted end, @staging
where not exists (
  select 1 from ${name} with (updlock, serializable) where schema_name = @schema
);
set @raised = @raised + @@rowcount;
select applied, cast(epoch as varchar(20)) as epoch from ${name}
where schema_name = @schema and @raised = 1;
commit transaction;`;
}

/** Fails when the epoch is no longer ours or the watermark is not where it was left. */
export function moveCheckpointStatement(schema: SchemaName): string {
  return `update ${qualifiedName(schema)}
set applied = @applied, updated_at = sysutcdatetime()
where schema_name = @schema and epoch = cast(@epoch as bigint) and applied = @previous;
if @@rowcount <> 1 throw ${ownErrors.watermarkNotMoved}, 'the watermark did not move', 1;`;
}

/**
 * Fails when the epoch is no longer ours. The shared lock keeps a claim
 * waiting until the commit has ended, and lets other commits pass.
 */
export function fenceStatement(schema: SchemaName): string {
  return `if not exists (
  select 1 from ${qualifiedName(schema)} with (repeatableread, rowlock)
  where schema_name = @schema and epoch = cast(@epoch as bigint)
) throw ${ownErrors.watermarkNotMoved}, 'the epoch does not hold', 1;`;
}

/** Answers no row where there is no table: names are resolved when they are reached. */
export function readCheckpointStatement(schema: SchemaName): string {
  return `if object_id(${quoteString(qualifiedName(schema))}) is not null
select applied, cast(epoch as varchar(20)) as epoch, staging_id from ${qualifiedName(schema)}
where schema_name = @schema;`;
}
