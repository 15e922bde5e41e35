select event, source_nanos, source_logical, data_after, data_before, table_name, row_key, key_columns, moved_from, code, cause, to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"') as created_at, to_char(superseded_at, 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"') as superseded_at from "SHOP"."REPLICATOR_DLQ"
where code is not null and row_key_hash is not null and superseded_at is null and event in (to_number(:1), to_number(:2)) and table_name = :3 and row_key_hash = :4 and code = :5 and (source_nanos > to_number(:6) or source_nanos = to_number(:7) and source_logical >= to_number(:8)) and (source_nanos < to_number(:9) or source_nanos = to_number(:10) and source_logical <= to_number(:11)) and event > to_number(:12)
order by event
fetch first 10 rows only
