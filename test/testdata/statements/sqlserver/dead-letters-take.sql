select event, source_nanos, source_logical, data_after, data_before, table_name, row_key, key_columns, moved_from, code, cause, convert(varchar(33), created_at, 126) + 'Z' as created_at, convert(varchar(33), superseded_at, 126) + 'Z' as superseded_at from [dbo].[replicator_dlq]
with (updlock, rowlock, forceseek)
where event in (cast(@p0 as bigint), cast(@p1 as bigint)) and code is not null and row_key_hash is not null
order by event
