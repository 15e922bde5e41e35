update "Odd Schema".REPLICATOR_CHECKPOINT
set applied = :1, updated_at = systimestamp
where schema_name = :2 and epoch = to_number(:3) and applied = :4
