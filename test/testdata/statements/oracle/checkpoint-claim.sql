merge into "SHOP".REPLICATOR_CHECKPOINT c
using (select :1 as schema_name, :2 as zero, :3 as staging_id from dual) v
on (c.schema_name = v.schema_name)
when matched then update set
  c.epoch = c.epoch + 1,
  c.staging_id = v.staging_id,
  c.updated_at = systimestamp
where c.staging_id = v.staging_id or c.applied = v.zero
when not matched then insert (schema_name, applied, epoch, staging_id)
values (v.schema_name, v.zero, 1, v.staging_id)
