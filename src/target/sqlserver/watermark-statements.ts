/** The SQL of the watermark that is kept in the target itself (design D2). */
import type { SchemaName } from '../../mutation/schema-name.ts';
import { quoteSchema, quoteString } from './quoting.ts';
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
 * Raises the epoch; waits for an old holder's commit and sees its result.
 * Answers no row when the watermark belongs to another staging store.
 */
export function claimCheckpointStatement(schema: SchemaName): string {
  const name = qualifiedName(schema);
  return `begin transaction;
update ${name} with (updlock, serializable)
set epoch = epoch + 1, staging_id = @staging, updated_at = sysutcdatetime()
where schema_name = @schema and (staging_id = @staging or applied = @zero);
declare @raised int;
set @raised = @@rowcount;
insert into ${name} (schema_name, applied, epoch, staging_id)
select @schema, @zero, 1, @staging
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

/** Answers no row where there is no table: names are resolved when they are reached. */
export function readCheckpointStatement(schema: SchemaName): string {
  return `if object_id(${quoteString(qualifiedName(schema))}) is not null
select applied, cast(epoch as varchar(20)) as epoch from ${qualifiedName(schema)}
where schema_name = @schema;`;
}
