select table_name, row_key from "SHOP"."REPLICATOR_DLQ"
where code is not null and row_key_hash is not null and superseded_at is null
