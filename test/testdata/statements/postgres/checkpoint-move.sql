with moved as (
  update "Odd ""Schema""".replicator_checkpoint
  set applied = $2, updated_at = now()
  where schema_name = $1 and epoch = $3 and applied = $4
  returning 1
)
select 1 / count(*) from moved
