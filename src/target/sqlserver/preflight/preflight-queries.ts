/** What preflight.ts asks SQL Server's catalog, over all schemas. */

export const serverQuery = `
select @@version as version,
  cast(serverproperty('ProductVersion') as varchar(40)) as product_version,
  cast(serverproperty('EngineEdition') as int) as engine_edition,
  d.compatibility_level, d.is_read_only, d.is_read_committed_snapshot_on,
  cast(databasepropertyex(db_name(), 'Updateability') as varchar(40)) as updateability,
  @@max_connections as max_connections
from sys.databases as d
where d.name = db_name();`;

const userTables = `sys.tables as t
inner join sys.schemas as s on s.schema_id = t.schema_id
where t.is_ms_shipped = 0 and t.temporal_type <> 1 and t.name not like 'replicator[_]%'`;

export const tablesQuery = `
select db_name() as database_name, t.object_id as table_id, s.name as schema_name, t.name as table_name,
  t.is_memory_optimized,
  case when exists (
    select 1 from sys.indexes as i where i.object_id = t.object_id and i.is_primary_key = 1
  ) then 1 else 0 end as has_key
from ${userTables}
order by s.name, t.name;`;

/** Text columns of primary keys, with what their collation holds to be equal. */
export const keyCollationsQuery = `
select s.name as schema_name, t.name as table_name, c.name as column_name, c.collation_name
from sys.indexes as i
inner join sys.tables as t on t.object_id = i.object_id
inner join sys.schemas as s on s.schema_id = t.schema_id
inner join sys.index_columns as x on x.object_id = i.object_id and x.index_id = i.index_id
inner join sys.columns as c on c.object_id = x.object_id and c.column_id = x.column_id
where i.is_primary_key = 1 and c.collation_name is not null
  and t.is_ms_shipped = 0 and t.name not like 'replicator[_]%'
order by s.name, t.name, x.key_ordinal;`;

export const triggersQuery = `
select s.name as schema_name, t.name as table_name, g.name as object_name,
  object_definition(g.object_id) as definition
from sys.triggers as g
inner join sys.tables as t on t.object_id = g.parent_id
inner join sys.schemas as s on s.schema_id = t.schema_id
where g.is_not_for_replication = 0 and g.is_disabled = 0
order by s.name, t.name, g.name;`;

export const foreignKeysQuery = `
select s.name as schema_name, t.name as table_name, k.name as object_name, k.object_id as key_id,
  c.name as column_name, ps.name as parent_schema, p.name as parent_table, pc.name as parent_column,
  k.delete_referential_action_desc as on_delete, k.update_referential_action_desc as on_update
from sys.foreign_keys as k
inner join sys.tables as t on t.object_id = k.parent_object_id
inner join sys.schemas as s on s.schema_id = t.schema_id
inner join sys.tables as p on p.object_id = k.referenced_object_id
inner join sys.schemas as ps on ps.schema_id = p.schema_id
inner join sys.foreign_key_columns as x on x.constraint_object_id = k.object_id
inner join sys.columns as c on c.object_id = x.parent_object_id and c.column_id = x.parent_column_id
inner join sys.columns as pc on pc.object_id = x.referenced_object_id and pc.column_id = x.referenced_column_id
where k.is_not_for_replication = 0 and k.is_disabled = 0
order by s.name, t.name, k.name, x.constraint_column_id;`;

export const checksQuery = `
select s.name as schema_name, t.name as table_name, k.name as object_name, k.definition
from sys.check_constraints as k
inner join sys.tables as t on t.object_id = k.parent_object_id
inner join sys.schemas as s on s.schema_id = t.schema_id
where k.is_not_for_replication = 0 and k.is_disabled = 0
order by s.name, t.name, k.name;`;

export const identitiesQuery = `
select s.name as schema_name, t.name as table_name, c.name as object_name
from sys.identity_columns as c
inner join sys.tables as t on t.object_id = c.object_id
inner join sys.schemas as s on s.schema_id = t.schema_id
where c.is_not_for_replication = 0 and t.name not like 'replicator[_]%'
order by s.name, t.name;`;

export const lockEscalationQuery = `
select s.name as schema_name, t.name as table_name
from ${userTables} and t.lock_escalation_desc <> 'DISABLE'
order by s.name, t.name;`;
