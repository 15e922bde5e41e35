/** What preflight asks Oracle's catalog. */

export const serverQueries = {
  role: `select sys_context('USERENV', 'DATABASE_ROLE') as database_role from dual`,
  openMode: 'select open_mode from v$database',
  sessions: 'select count(*) as n from v$session where rownum = 1',
  sessionLimit: `select limit as sessions from user_resource_limits where resource_name = 'SESSIONS_PER_USER'`,
} as const;

/** Tables of users: not Oracle's own schemas, and none that it made for itself. */
const ofUsers = `
from all_tables t
join all_users u on u.username = t.owner and u.oracle_maintained = 'N'
where t.nested = 'NO' and t.secondary = 'N' and t.temporary = 'N' and t.dropped = 'NO'
  and (t.iot_type is null or t.iot_type = 'IOT')
  and t.table_name not like 'REPLICATOR\\_%' escape '\\'
  and not exists (select 1 from all_mviews m where m.owner = t.owner and m.mview_name = t.table_name)`;

export const tablesQuery = `
select t.owner, t.table_name,
  case when exists (select 1 from all_constraints k
      where k.owner = t.owner and k.table_name = t.table_name and k.constraint_type = 'P' and k.status = 'ENABLED')
    then 'Y' else 'N' end as has_key,
  (select count(*) from all_triggers g
    where g.table_owner = t.owner and g.table_name = t.table_name and g.status = 'ENABLED') as triggers,
  (select count(*) from all_constraints k
    join all_constraints p on p.owner = k.r_owner and p.constraint_name = k.r_constraint_name
    where k.owner = t.owner and k.table_name = t.table_name and k.constraint_type = 'R'
      and k.status = 'ENABLED' and k.deferrable <> 'DEFERRABLE'
      and p.owner = t.owner and p.table_name = t.table_name) as cycles
${ofUsers}
order by t.owner, t.table_name`;

/** Columns that need a word: few of all. */
export const columnsQuery = `
select t.owner, t.table_name, c.column_name, c.data_type, c.nullable, i.generation_type
from (select t.owner, t.table_name ${ofUsers}) t
join all_tab_cols c on c.owner = t.owner and c.table_name = t.table_name
  and c.user_generated = 'YES' and c.virtual_column = 'NO'
left join all_tab_identity_cols i
  on i.owner = c.owner and i.table_name = c.table_name and i.column_name = c.column_name
where i.generation_type = 'ALWAYS'
  or c.data_type in ('CHAR', 'NCHAR', 'VARCHAR2', 'NVARCHAR2', 'SDO_GEOMETRY', 'LONG', 'LONG RAW', 'BFILE',
    'ROWID', 'UROWID', 'VECTOR')
order by t.owner, t.table_name, c.internal_column_id`;
