insert into "SHOP"."REPLICATOR_DLQ" (dlq_name, source_nanos, source_logical, data_after, data_before, table_name, row_key, row_key_hash, key_columns, moved_from, code, cause, created_at)
values (:1, to_number(:2), to_number(:3), :4, null, :5, :6, :7, :8, null, :9, :10, localtimestamp)
