select count(*) as letters from "SHOP"."REPLICATOR_DLQ" where code is not null and row_key_hash is not null
