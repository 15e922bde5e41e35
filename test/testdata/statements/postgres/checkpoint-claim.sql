insert into "public".replicator_checkpoint as c (schema_name, applied, epoch)
values ($1, $2, 1)
on conflict (schema_name) do update set epoch = c.epoch + 1, updated_at = now()
returning c.applied, c.epoch
