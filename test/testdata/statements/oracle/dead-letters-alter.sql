alter table "SHOP"."REPLICATOR_DLQ" add (table_name varchar2(128 char), row_key nclob, row_key_hash varchar2(64 char), key_columns nclob, moved_from nclob, code varchar2(16 char), cause nclob, created_at timestamp (6), superseded_at timestamp (6));
alter table "SHOP"."REPLICATOR_DLQ" add unique (table_name, row_key_hash, event)
