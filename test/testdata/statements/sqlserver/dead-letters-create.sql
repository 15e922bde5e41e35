create table [dbo].[replicator_dlq] (
  event bigint identity not null primary key,
  dlq_name nvarchar(255) not null,
  source_nanos bigint not null,
  source_logical int not null,
  data_after nvarchar(max) null,
  data_before nvarchar(max) null,
  table_name nvarchar(128) collate Latin1_General_BIN2 null,
  row_key nvarchar(max) null,
  row_key_hash nvarchar(64) collate Latin1_General_BIN2 null,
  key_columns nvarchar(max) null,
  moved_from nvarchar(max) null,
  code nvarchar(16) collate Latin1_General_BIN2 null,
  cause nvarchar(max) null,
  created_at datetime2 null,
  superseded_at datetime2 null,
  unique (table_name, row_key_hash, event)
)
