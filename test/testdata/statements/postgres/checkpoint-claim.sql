insert into "public".replicator_checkpoint as c (schema_name, applied, epoch, staging_id)
values ($1, $2, coalesce($4::bigint, 1), $3)
on conflict (schema_name) do update
set epoch = coalesce($4::bigint, c.epoch + 1), staging_id = $3, updated_at = now()
where (c.staging_id = $3 or c.applied = $2) and c.epoch < coalesce($4::bigint, c.epoch + 1)
returning c.applied, c.epoch
