declare @wanted bigint;
set @wanted = cast(@epoch as bigint);
begin transaction;
update [dbo].replicator_checkpoint with (updlock, serializable)
set epoch = case when @wanted < 0 then epoch + 1 else @wanted end, staging_id = @staging, updated_at = sysutcdatetime()
where schema_name = @schema and (staging_id = @staging or applied = @zero)
  and (@wanted < 0 or epoch < @wanted);
declare @raised int;
set @raised = @@rowcount;
insert into [dbo].replicator_checkpoint (schema_name, applied, epoch, staging_id)
select @schema, @zero, case when @wanted < 0 then 1 else @wanted end, @staging
where not exists (
  select 1 from [dbo].replicator_checkpoint with (updlock, serializable) where schema_name = @schema
);
set @raised = @raised + @@rowcount;
select applied, cast(epoch as varchar(20)) as epoch from [dbo].replicator_checkpoint
where schema_name = @schema and @raised = 1;
commit transaction;
