insert into `shop`.replicator_checkpoint (schema_name, applied, epoch, staging_id, updated_at)
values ('shop', '0.0', 1, 'here', now(6))
on duplicate key update
  epoch = if(staging_id = 'here' or applied = '0.0', epoch + 1, epoch),
  updated_at = now(6),
  staging_id = if(staging_id = 'here' or applied = '0.0', 'here', staging_id)
