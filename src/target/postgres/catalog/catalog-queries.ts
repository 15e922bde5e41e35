/** What introspect.ts asks PostgreSQL's catalog; each with one schema's name. */

export const schemaQuery = `
select n.oid from pg_catalog.pg_namespace n
where n.nspname = $2 and pg_catalog.current_database() = $1
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`;

/**
 * Of a staging schema, which may be in the same database. By what it holds:
 * another daemon's may be there too. Whoever could write to these would make
 * keys for tokens of every schema.
 */
export const stagingTables = [
  'staging_log',
  'staging_checkpoint',
  'staging_memo',
  'staging_lease',
  'staging_version',
  'jwt_public_keys',
  'jwt_revoked_ids',
] as const;

const isStagingTable = `c.relname in (${stagingTables.map((name) => `'${name}'`).join(', ')})
  and exists (
    select from pg_catalog.pg_class v
    where v.relnamespace = c.relnamespace and v.relname = 'staging_version'
  )`;

/**
 * A partition of the table `c` that has a trigger, a rule, a unique or
 * excluding index or a reference of its own: the root does not show it.
 */
const loudPartition = `
    with recursive part (oid) as (
      select h.inhrelid from pg_catalog.pg_inherits h where h.inhparent = c.oid
      union all
      select h.inhrelid from part join pg_catalog.pg_inherits h on h.inhparent = part.oid
    )
    select from part
    where exists (
      select from pg_catalog.pg_trigger g
      where g.tgrelid = part.oid and not g.tgisinternal and g.tgenabled <> 'D'
    ) or exists (
      select from pg_catalog.pg_rewrite r where r.ev_class = part.oid
    ) or exists (
      select from pg_catalog.pg_index i
      where i.indrelid = part.oid and (i.indisunique or i.indisexclusion)
        and not exists (
          select from pg_catalog.pg_inherits h where h.inhrelid = i.indexrelid
        )
    ) or exists (
      select from pg_catalog.pg_constraint k
      where k.contype = 'f' and k.conparentid = 0 and part.oid in (k.conrelid, k.confrelid)
    )`;

/**
 * Ordinary and partitioned tables that a feed may write to; partitions are
 * their root's matter.
 */
export const columnsQuery = `
select c.oid as table_oid, c.relname as table,
  c.relhassubclass and c.relkind = 'r' as has_inheritors,
  exists (
    select from pg_catalog.pg_constraint k
    where k.contype = 'f' and k.confrelid = c.oid and k.confdeltype <> 'a'
  ) or exists (
    select from pg_catalog.pg_trigger g
    where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled <> 'D' and g.tgtype & 8 <> 0
  ) as delete_has_effects,
  exists (
    select from pg_catalog.pg_constraint k
    where k.contype = 'f' and k.confrelid = c.oid and k.confdeltype not in ('a', 'r')
  ) or exists (
    select from pg_catalog.pg_trigger g
    where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled <> 'D' and g.tgtype & 8 <> 0
  ) as delete_takes,
  not exists (
    select from pg_catalog.pg_trigger g
    where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled <> 'D' and g.tgtype & 8 <> 0
  ) as deletes_quietly,
  not exists (
    select from pg_catalog.pg_trigger g
    where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled <> 'D'
  ) and not exists (
    select from pg_catalog.pg_rewrite r where r.ev_class = c.oid
  ) and not exists (
    select from pg_catalog.pg_index i
    where i.indrelid = c.oid and i.indisexclusion
  ) and (not c.relhassubclass or (c.relkind = 'p' and not exists (${loudPartition})))
    as changes_quietly,
  exists (
    select from pg_catalog.pg_constraint k
    where k.contype = 'c' and k.conrelid = c.oid and coalesce(cardinality(k.conkey), 0) <> 1
  ) or exists (
    select from pg_catalog.pg_trigger g
    where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled <> 'D' and g.tgtype & 7 = 7
  ) as looks_at_inserts,
  a.attname as column, a.atttypid as type_oid, a.atttypmod as typmod,
  not a.attnotnull as nullable, a.attgenerated as generated, a.attidentity as identity,
  (a.atthasdef and a.attgenerated = '') or a.attidentity <> '' as has_default,
  exists (
    select from pg_catalog.pg_collation l
    where l.oid = a.attcollation and not l.collisdeterministic
  ) as is_folding,
  exists (
    select from pg_catalog.pg_constraint k
    where k.contype = 'f' and k.confrelid = c.oid and a.attnum = any (k.confkey)
  ) as is_referred
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_attribute a
  on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
  and c.relname not in (select pg_catalog.json_array_elements_text($2::pg_catalog.json))
  and not (${isStagingTable})
order by c.relname, a.attnum`;

export const typesQuery = `
with recursive need (oid) as (
  select a.atttypid
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
  union
  select inner_type.oid
  from need
  join pg_catalog.pg_type t on t.oid = need.oid
  cross join lateral (
    select t.typelem where t.typelem <> 0
    union all
    select t.typbasetype where t.typtype = 'd'
    union all
    select f.atttypid from pg_catalog.pg_attribute f
    where t.typtype = 'c' and f.attrelid = t.typrelid and f.attnum > 0 and not f.attisdropped
  ) inner_type (oid)
)
select t.oid, n.nspname as schema, t.typname as name, t.typtype as kind,
  t.typbasetype as base_oid, t.typtypmod as base_typmod, t.typnotnull as not_null,
  t.typdefault is not null as has_default,
  t.typelem as element_oid, t.typdelim as delimiter, t.typarray <> 0 as has_array,
  exists (select from pg_catalog.pg_type e where e.oid = t.typelem and e.typarray = t.oid) as is_array,
  (
    select pg_catalog.json_agg(e.enumlabel order by e.enumsortorder)
    from pg_catalog.pg_enum e
    where t.typtype = 'e' and e.enumtypid = t.oid
  ) as labels,
  (
    select pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', f.attname, 'oid', f.atttypid::pg_catalog.int8, 'typmod', f.atttypmod) order by f.attnum)
    from pg_catalog.pg_attribute f
    where t.typtype = 'c' and f.attrelid = t.typrelid and f.attnum > 0 and not f.attisdropped
  ) as fields
from need
join pg_catalog.pg_type t on t.oid = need.oid
join pg_catalog.pg_namespace n on n.oid = t.typnamespace`;

/**
 * Unique indexes. Of a plain one the key columns in key order (INCLUDE columns
 * left out); of a partial or expression index every column that it looks at.
 */
export const indexesQuery = `
select i.indrelid as table_oid, i.indisprimary as is_primary,
  not i.indimmediate as is_deferrable,
  case when i.indexprs is null and i.indpred is null then (
    select pg_catalog.json_agg(a.attname order by k.place)
    from pg_catalog.unnest(i.indkey::pg_catalog.int2[]) with ordinality k (attnum, place)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where k.place <= i.indnkeyatts
  ) else (
    select coalesce(pg_catalog.json_agg(a.attname order by a.attnum), '[]')
    from pg_catalog.pg_attribute a
    where a.attrelid = i.indrelid and a.attnum > 0 and exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refobjid = i.indrelid and d.refobjsubid = a.attnum
    )
  ) end as columns,
  (
    select pg_catalog.json_agg(
      case when n.nspname <> 'pg_catalog'
        then pg_catalog.format('operator(%I.%s)', n.nspname, o.oprname) end
      order by k.place)
    from pg_catalog.unnest(i.indclass::pg_catalog.oid[]) with ordinality k (opclass, place)
    join pg_catalog.pg_opclass oc on oc.oid = k.opclass
    left join pg_catalog.pg_amop ao on ao.amopfamily = oc.opcfamily
      and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype
      and ao.amopstrategy = 3
    left join pg_catalog.pg_operator o on o.oid = ao.amopopr
    left join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
    where i.indisprimary
  ) as operators
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class x on x.oid = i.indexrelid
where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
  and i.indisunique and i.indislive
order by x.relname`;

export const foreignKeysQuery = `
select k.conrelid as table_oid, k.conname as name, k.condeferrable as deferrable,
  pn.nspname as parent_schema, p.relname as parent_table,
  (
    select pg_catalog.json_agg(a.attname order by x.place)
    from pg_catalog.unnest(k.conkey) with ordinality x (attnum, place)
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = x.attnum
  ) as columns,
  (
    select pg_catalog.json_agg(a.attname order by x.place)
    from pg_catalog.unnest(k.confkey) with ordinality x (attnum, place)
    join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = x.attnum
  ) as parent_columns
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class p on p.oid = k.confrelid
join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
where n.nspname = $1 and k.contype = 'f' and k.conparentid = 0 and not c.relispartition
order by k.conname`;
