if object_id(N'[dbo].replicator_checkpoint') is null
create table [dbo].replicator_checkpoint (
  schema_name nvarchar(600) collate Latin1_General_BIN2 not null primary key nonclustered,
  applied varchar(40) not null,
  epoch bigint not null,
  staging_id nvarchar(200) not null,
  updated_at datetime2 not null default sysutcdatetime()
);
