/** What privileges.ts asks PostgreSQL's catalog; $1 is a list of schemas as JSON. */

export const accountQuery = `
select current_user as account, pg_catalog.current_database() as database,
  pg_catalog.has_database_privilege(pg_catalog.current_database(), 'connect') as may_connect`;

const named =
  'n.nspname in (select pg_catalog.json_array_elements_text($1::pg_catalog.json))';

/** With an empty list those that have tables; $2 is the dead-letter table, which counts for none. */
export const privilegedSchemasQuery = `
select pg_catalog.current_database() as database, n.nspname as schema,
  pg_catalog.has_schema_privilege(n.oid, 'usage') as may_use,
  pg_catalog.has_schema_privilege(n.oid, 'create') as may_create
from pg_catalog.pg_namespace n
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and case when pg_catalog.json_array_length($1::pg_catalog.json) > 0 then ${named}
    else exists (
      select from pg_catalog.pg_class c
      where c.relnamespace = n.oid and c.relkind in ('r', 'p') and not c.relispartition
        and c.relname !~ '^replicator_' and c.relname <> $2
    ) end
order by n.nspname`;

/** Partitions are their root's matter. */
export const privilegedTablesQuery = `
select n.nspname as schema, c.relname as name,
  ${['select', 'insert', 'update', 'delete', 'truncate']
    .map(
      (name) =>
        `pg_catalog.has_table_privilege(c.oid, '${name}') as may_${name}`,
    )
    .join(',\n  ')}
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and ${named}
order by n.nspname, c.relname`;

/** Of defaults that are expressions: identity columns need no right. */
export const sequencesQuery = `
select distinct sn.nspname as schema, s.relname as name,
  pg_catalog.has_sequence_privilege(s.oid, 'usage') as may_use
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attrdef f on f.adrelid = c.oid
join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
  and d.objid = f.oid and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
join pg_catalog.pg_class s on s.oid = d.refobjid and s.relkind = 'S'
join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and ${named}
order by 1, 2`;

/** Types are named with their schema, and keys compared by its operators. */
export const typeSchemasQuery = `
with recursive need (oid) as (
  select a.atttypid
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relkind in ('r', 'p') and not c.relispartition and ${named}
  union
  select inner_type.oid
  from need
  join pg_catalog.pg_type t on t.oid = need.oid
  cross join lateral (
    select t.typelem where t.typelem <> 0
    union all
    select t.typbasetype where t.typtype = 'd'
  ) inner_type (oid)
)
select distinct tn.nspname as schema, pg_catalog.has_schema_privilege(tn.oid, 'usage') as may_use
from need
join pg_catalog.pg_type t on t.oid = need.oid
join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
where tn.nspname not in ('pg_catalog', 'information_schema')
  and tn.nspname not in (select pg_catalog.json_array_elements_text($1::pg_catalog.json))
order by 1`;
