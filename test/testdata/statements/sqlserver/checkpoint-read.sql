if object_id(N'[dbo].replicator_checkpoint') is not null
select applied, cast(epoch as varchar(20)) as epoch, staging_id from [dbo].replicator_checkpoint
where schema_name = @schema;
