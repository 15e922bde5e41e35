select exp(710 * (count(*) <> 1)) from (
  select 1 from `shop`.replicator_checkpoint
  where schema_name = 'shop' and epoch = 7
  lock in share mode
) held
