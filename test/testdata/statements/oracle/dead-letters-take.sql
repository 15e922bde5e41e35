select event, source_nanos, source_logical, data_after, data_before, table_name, row_key, key_columns, moved_from, code, cause, to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"') as created_at, to_char(superseded_at, 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"') as superseded_at from "SHOP"."REPLICATOR_DLQ"
where event in (to_number(:1), to_number(:2)) and code is not null and row_key_hash is not null
order by event
for update
