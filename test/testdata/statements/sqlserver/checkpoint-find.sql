select case when object_id(N'[dbo].replicator_checkpoint') is null then 0 else 1 end as there;
