insert into [dbo].[replicator_dlq] (dlq_name, source_nanos, source_logical, data_after, data_before, table_name, row_key, row_key_hash, key_columns, moved_from, code, cause, created_at)
values (@p0, cast(@p1 as bigint), cast(@p2 as bigint), @long3, null, @p4, @long5, @p6, @long7, null, @p8, @long9, sysutcdatetime())
