create table "SHOP".REPLICATOR_CHECKPOINT (
  schema_name varchar2(128 byte) primary key,
  applied varchar2(64 byte) not null,
  epoch number(19) not null,
  staging_id varchar2(255 char) not null,
  updated_at timestamp (6) with time zone default systimestamp not null
)
