begin transaction;
update [dbo].replicator_checkpoint with (updlock, serializable)
set epoch = epoch + 1, staging_id = @staging, updated_at = sysutcdatetime()
where schema_name = @schema and (staging_id = @staging or applied = @zero);
declare @raised int;
set @raised = @@rowcount;
insert into [dbo].replicator_checkpoint (schema_name, applied, epoch, staging_id)
select @schema, @zero, 1, @staging
where not exists (
  select 1 from [dbo].replicator_checkpoint with (updlock, serializable) where schema_name = @schema
);
set @raised = @raised + @@rowcount;
select applied, cast(epoch as varchar(20)) as epoch from [dbo].replicator_checkpoint
where schema_name = @schema and @raised = 1;
commit transaction;
