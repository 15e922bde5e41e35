update "SHOP".REPLICATOR_CHECKPOINT
set updated_at = systimestamp
where schema_name = :1 and epoch = to_number(:2)
