select row_key, source_nanos, source_logical from [dbo].[replicator_dlq]
with (updlock, rowlock, forceseek)
where event in (select event from [dbo].[replicator_dlq] with (rowlock, forceseek) where table_name = @p0 and row_key_hash in (@p1, @p2) and code is not null and row_key_hash is not null and superseded_at is null) and superseded_at is null
order by event
