/**
 * What introspect.ts asks Oracle's catalog; each with the schema's name. The
 * views of ALL_ show what the account has any privilege on.
 */

export const schemaQuery = `
select username from all_users where username = :1 and oracle_maintained = 'N'`;

/**
 * Ordinary, partitioned and index-organized tables, with invisible columns,
 * without those that the database made for itself.
 */
export const columnsQuery = `
select t.table_name, c.column_name, c.data_type, c.data_length, c.data_precision, c.data_scale,
  c.char_length, c.char_used, c.nullable, c.virtual_column, c.default_length, c.default_on_null,
  i.generation_type, j.format as json_format
from all_tables t
join all_tab_cols c on c.owner = t.owner and c.table_name = t.table_name and c.user_generated = 'YES'
left join all_tab_identity_cols i
  on i.owner = c.owner and i.table_name = c.table_name and i.column_name = c.column_name
left join all_json_columns j
  on j.owner = c.owner and j.table_name = c.table_name and j.column_name = c.column_name
where t.owner = :1 and t.nested = 'NO' and t.secondary = 'N' and t.temporary = 'N' and t.dropped = 'NO'
  and (t.iot_type is null or t.iot_type = 'IOT')
  and not exists (select 1 from all_mviews m where m.owner = t.owner and m.mview_name = t.table_name)
order by t.table_name, c.internal_column_id`;

export const primaryKeysQuery = `
select k.table_name, k.deferrable, c.column_name
from all_constraints k
join all_cons_columns c
  on c.owner = k.owner and c.constraint_name = k.constraint_name and c.table_name = k.table_name
where k.owner = :1 and k.constraint_type = 'P' and k.status = 'ENABLED'
order by k.table_name, c.position`;

/** Unique constraints, and unique indexes that are no constraint's. */
export const uniqueKeysQuery = `
select k.table_name, k.constraint_name as key_name, c.column_name, c.position, null as index_owner
from all_constraints k
join all_cons_columns c
  on c.owner = k.owner and c.constraint_name = k.constraint_name and c.table_name = k.table_name
where k.owner = :1 and k.constraint_type = 'U' and k.status = 'ENABLED'
union all
select i.table_name, i.index_name, c.column_name, c.column_position, i.owner
from all_indexes i
join all_ind_columns c on c.index_owner = i.owner and c.index_name = i.index_name
where i.table_owner = :2 and i.uniqueness = 'UNIQUE'
  and i.index_type not in ('LOB', 'CLUSTER', 'IOT - TOP')
  and not exists (
    select 1 from all_constraints k
    where k.owner = i.table_owner and k.table_name = i.table_name and k.constraint_type in ('P', 'U')
      and k.index_name = i.index_name and coalesce(k.index_owner, k.owner) = i.owner
  )
order by 1, 2, 4`;

/** Of an index on expressions: LONG, so by itself. */
export const indexExpressionsQuery = `
select table_name, index_name as key_name, column_expression
from all_ind_expressions where table_owner = :1`;

export const foreignKeysQuery = `
select k.table_name, k.constraint_name, k.deferrable, c.column_name,
  p.owner as parent_owner, p.table_name as parent_table, pc.column_name as parent_column
from all_constraints k
join all_cons_columns c
  on c.owner = k.owner and c.constraint_name = k.constraint_name and c.table_name = k.table_name
join all_constraints p on p.owner = k.r_owner and p.constraint_name = k.r_constraint_name
join all_cons_columns pc
  on pc.owner = p.owner and pc.constraint_name = p.constraint_name
  and pc.table_name = p.table_name and pc.position = c.position
where k.owner = :1 and k.constraint_type = 'R' and k.status = 'ENABLED'
order by k.table_name, k.constraint_name, c.position`;

/** Columns that foreign keys end at, of tables of whichever schema the account sees. */
export const referredColumnsQuery = `
select distinct p.table_name, pc.column_name
from all_constraints k
join all_constraints p on p.owner = k.r_owner and p.constraint_name = k.r_constraint_name
join all_cons_columns pc
  on pc.owner = p.owner and pc.constraint_name = p.constraint_name and pc.table_name = p.table_name
where p.owner = :1 and k.constraint_type = 'R' and k.status = 'ENABLED'
order by p.table_name, pc.column_name`;

/** Tables whose rows do not go alone: foreign keys with an action, triggers. */
export const deleteEffectsQuery = `
select p.table_name
from all_constraints k
join all_constraints p on p.owner = k.r_owner and p.constraint_name = k.r_constraint_name
where p.owner = :1 and k.constraint_type = 'R' and k.status = 'ENABLED' and k.delete_rule <> 'NO ACTION'
union
select table_name from all_triggers
where table_owner = :2 and status = 'ENABLED' and triggering_event like '%DELETE%'`;

/** In search of those that say how a column writes true and false. */
export const checksQuery = `
select k.table_name, c.column_name, k.search_condition_vc as condition
from all_constraints k
join all_cons_columns c
  on c.owner = k.owner and c.constraint_name = k.constraint_name and c.table_name = k.table_name
where k.owner = :1 and k.constraint_type = 'C' and k.status = 'ENABLED'
  and upper(k.search_condition_vc) like '% IN %'`;
