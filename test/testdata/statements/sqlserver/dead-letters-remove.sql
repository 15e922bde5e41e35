delete from [dbo].[replicator_dlq] with (rowlock, forceseek) where event in (cast(@p0 as bigint), cast(@p1 as bigint)) and code is not null and row_key_hash is not null
