/** What introspect.ts asks SQL Server's catalog; `@schema` is a schema's name. */

/** The catalog's collation may find another spelling: the caller compares. */
export const schemaQuery = `
select db_name() as database_name, s.name as schema_name
from sys.schemas as s
where s.name = @schema and s.name not in (N'sys', N'INFORMATION_SCHEMA', N'guest');`;

/**
 * Tables that can be written to: not the history of a temporal table. Types are
 * the built-in ones below an alias; those of the CLR (240) are by themselves.
 */
export const columnsQuery = `
select t.object_id as table_id, t.name as table_name, c.column_id, c.name as column_name,
  b.name as type_name, c.max_length, c.precision, c.scale, c.collation_name,
  cast(collationproperty(c.collation_name, 'CodePage') as int) as code_page,
  c.is_nullable, c.is_identity, c.is_computed, c.generated_always_type,
  case when c.default_object_id = 0 then 0 else 1 end as has_default,
  case when exists (
    select 1 from sys.foreign_key_columns as f
    where f.referenced_object_id = c.object_id and f.referenced_column_id = c.column_id
  ) then 1 else 0 end as is_referred
from sys.tables as t
inner join sys.columns as c on c.object_id = t.object_id
inner join sys.types as b
  on b.user_type_id = case when c.system_type_id = 240 then c.user_type_id else c.system_type_id end
where t.schema_id = schema_id(@schema) and t.is_ms_shipped = 0 and t.temporal_type <> 1
order by t.name, c.column_id;`;

/** Key columns of the unique indexes that are enforced. */
export const indexesQuery = `
select i.object_id as table_id, i.index_id, i.name as index_name, i.is_primary_key,
  i.filter_definition, x.key_ordinal, c.name as column_name
from sys.tables as t
inner join sys.indexes as i on i.object_id = t.object_id
inner join sys.index_columns as x on x.object_id = i.object_id and x.index_id = i.index_id
inner join sys.columns as c on c.object_id = x.object_id and c.column_id = x.column_id
where t.schema_id = schema_id(@schema)
  and i.is_unique = 1 and i.is_disabled = 0 and i.is_hypothetical = 0
  and x.is_included_column = 0 and x.key_ordinal > 0
order by i.object_id, i.name, x.key_ordinal;`;

export const foreignKeysQuery = `
select k.parent_object_id as table_id, k.object_id as key_id, k.name as key_name,
  schema_name(p.schema_id) as parent_schema, p.name as parent_table,
  c.name as column_name, pc.name as parent_column
from sys.foreign_keys as k
inner join sys.tables as t on t.object_id = k.parent_object_id
inner join sys.tables as p on p.object_id = k.referenced_object_id
inner join sys.foreign_key_columns as x on x.constraint_object_id = k.object_id
inner join sys.columns as c
  on c.object_id = x.parent_object_id and c.column_id = x.parent_column_id
inner join sys.columns as pc
  on pc.object_id = x.referenced_object_id and pc.column_id = x.referenced_column_id
where t.schema_id = schema_id(@schema) and k.is_disabled = 0
order by k.name, x.constraint_column_id;`;

/**
 * Tables whose rows cannot be deleted and inserted again unnoticed: others
 * refer to them, or a trigger would fire. Where that is more than a reference
 * that forbids it, or a trigger on INSERT, deleting takes others along. With \`@replication\` 1 what is marked
 * NOT FOR REPLICATION holds still.
 */
export const deleteEffectsQuery = `
select k.referenced_object_id as table_id,
  case when k.delete_referential_action = 0 then 0 else 1 end as takes
from sys.foreign_keys as k
where k.is_disabled = 0 and (@replication = 0 or k.is_not_for_replication = 0)
union
select g.parent_id, case when e.type_desc = 'DELETE' then 1 else 0 end
from sys.triggers as g
inner join sys.trigger_events as e on e.object_id = g.object_id
where g.is_disabled = 0 and g.parent_class = 1 and e.type_desc in ('DELETE', 'INSERT')
  and (@replication = 0 or g.is_not_for_replication = 0);`;

/** Columns that hold JSON: a check says so. */
export const jsonChecksQuery = `
select k.parent_object_id as table_id, k.definition
from sys.check_constraints as k
inner join sys.tables as t on t.object_id = k.parent_object_id
where t.schema_id = schema_id(@schema) and k.definition like '%isjson%';`;
