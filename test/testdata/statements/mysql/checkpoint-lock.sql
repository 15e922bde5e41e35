insert into `shop`.replicator_checkpoint (schema_name, applied, epoch, staging_id, updated_at)
values ('shop', '0.0', 0, 'here', now(6))
on duplicate key update schema_name = schema_name
