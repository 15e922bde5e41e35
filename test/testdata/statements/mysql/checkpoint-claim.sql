update `shop`.replicator_checkpoint
set epoch = 7, staging_id = 'here', updated_at = now(6)
where schema_name = 'shop'
