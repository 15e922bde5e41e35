/** What preflight.ts asks beside the catalog of introspect.ts. */

export function serverQuery(isMariadb: boolean): string {
  const variables = [
    '@@read_only as read_only',
    `${isMariadb ? '0' : '@@super_read_only'} as super_read_only`,
    '@@max_connections as connections',
    '@@max_user_connections as user_connections',
    '@@log_bin as log_bin',
    '@@binlog_format as binlog_format',
  ];
  return `select ${variables.join(', ')}`;
}

export function tableEnginesQuery(schema: string): string {
  return `select t.table_name as name, t.engine as engine
from information_schema.tables as t
join information_schema.engines as e on e.engine = t.engine
where t.table_schema = ${schema} and t.table_type = 'BASE TABLE'
  and (e.transactions is null or e.transactions <> 'YES')
order by t.table_name`;
}

export function triggersQuery(schema: string): string {
  return `select trigger_name as name, event_object_table as table_name
from information_schema.triggers
where event_object_schema = ${schema}
order by event_object_table, trigger_name`;
}
