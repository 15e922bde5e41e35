merge into "SHOP".REPLICATOR_CHECKPOINT c
using (select :1 as schema_name, :2 as zero, :3 as staging_id, to_number(:4) as epoch from dual) v
on (c.schema_name = v.schema_name)
when matched then update set
  c.epoch = case when v.epoch < 0 then c.epoch + 1 else v.epoch end,
  c.staging_id = v.staging_id,
  c.updated_at = systimestamp
where (c.staging_id = v.staging_id or c.applied = v.zero)
  and (v.epoch < 0 or c.epoch < v.epoch)
when not matched then insert (schema_name, applied, epoch, staging_id)
values (v.schema_name, v.zero, case when v.epoch < 0 then 1 else v.epoch end, v.staging_id)
