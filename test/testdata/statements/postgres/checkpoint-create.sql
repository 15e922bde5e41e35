create table if not exists "public".replicator_checkpoint (
  schema_name text primary key,
  applied text not null,
  epoch bigint not null,
  staging_id text not null,
  updated_at timestamptz not null default now()
)
