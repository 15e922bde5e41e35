delete from "SHOP"."REPLICATOR_DLQ" where event in (to_number(:1), to_number(:2)) and code is not null and row_key_hash is not null
