select row_key, source_nanos, source_logical from "SHOP"."REPLICATOR_DLQ"
where table_name = :1 and row_key_hash in (:2, :3) and code is not null and row_key_hash is not null and superseded_at is null
order by event
for update
