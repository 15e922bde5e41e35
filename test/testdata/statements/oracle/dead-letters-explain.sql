update "SHOP"."REPLICATOR_DLQ" set code = :1, cause = :2 where event in (to_number(:3), to_number(:4)) and code is not null and row_key_hash is not null and superseded_at is null
