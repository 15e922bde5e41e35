with held as (
  select 1 from "public".replicator_checkpoint
  where schema_name = $1 and epoch = $2
  for share
)
select 1 / count(*) from held
