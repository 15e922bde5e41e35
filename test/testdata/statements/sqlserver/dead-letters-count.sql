select count(*) as letters from [dbo].[replicator_dlq] where code is not null and row_key_hash is not null
