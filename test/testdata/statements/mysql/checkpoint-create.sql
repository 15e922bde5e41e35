create table if not exists `shop`.replicator_checkpoint (
  schema_name varchar(255) character set utf8mb4 collate utf8mb4_bin not null primary key,
  applied varchar(64) character set ascii collate ascii_bin not null,
  epoch bigint not null,
  staging_id varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
  updated_at datetime(6) not null
) engine = InnoDB
