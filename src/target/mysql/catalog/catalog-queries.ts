/**
 * What introspect.ts asks information_schema. The schema is a literal: the
 * server opens the tables of that one only.
 *
 * Names there are compared without case, so that the schema is compared as
 * bytes where the server tells cases apart.
 */

export function schemaQuery(schema: string): string {
  return `select schema_name as name from information_schema.schemata where schema_name = ${schema}
  and schema_name not in ('information_schema', 'mysql', 'performance_schema', 'sys')`;
}

export function tablesQuery(schema: string): string {
  return `select table_name as name, engine as engine from information_schema.tables
where table_schema = ${schema} and table_type in ('BASE TABLE', 'SYSTEM VERSIONED')
order by table_name`;
}

export function columnsQuery(schema: string, isMariadb: boolean): string {
  return `select table_name as table_name, column_name as name, column_default as default_value,
  is_nullable as nullable, data_type as type, column_type as full_type, extra as extra,
  character_maximum_length as max_length, character_octet_length as max_bytes,
  numeric_precision as numeric_places, numeric_scale as scale, datetime_precision as fraction,
  character_set_name as charset, collation_name as collation,
  generation_expression as expression, ${isMariadb ? 'null' : 'srs_id'} as srid
from information_schema.columns
where table_schema = ${schema}
order by table_name, ordinal_position`;
}

export function indexesQuery(schema: string, isMariadb: boolean): string {
  return `select table_name as table_name, index_name as name, column_name as column_name,
  sub_part as prefix, ${isMariadb ? 'null' : 'expression'} as expression
from information_schema.statistics
where table_schema = ${schema} and non_unique = 0
order by table_name, index_name, seq_in_index`;
}

/**
 * Every foreign key to a table of the schema, also from other ones, whose
 * tables are not opened for it: 1 to 5 ms among 300 keys. Needs PROCESS.
 * Names are `schema/table`; MariaDB keeps both as file names.
 */
export function referrersQuery(schema: string, isMariadb: boolean): string {
  const part = (name: string, place: number): string =>
    `convert(cast(cast(substring_index(${name}, '/', ${place}) as binary) as char character set filename) using utf8mb4)`;
  const printed = (name: string): string =>
    isMariadb ? `concat(${part(name, 1)}, '/', ${part(name, -1)})` : name;
  const table = isMariadb ? 'innodb_sys_foreign' : 'innodb_foreign';
  return `select ${printed('f.for_name')} as child, ${printed('f.ref_name')} as parent,
  c.ref_col_name as parent_column, f.type as rules
from information_schema.${table} as f
join information_schema.${table}_cols as c on c.id = f.id
where lower(left(${printed('f.ref_name')}, char_length(${schema}) + 1)) = lower(concat(${schema}, '/'))`;
}

/**
 * `isWithin`: only keys from tables of the schema. For others MariaDB opens
 * every table that the account may see, each time.
 */
export function foreignKeysQuery(schema: string, isWithin: boolean): string {
  const place = isWithin
    ? `table_schema = ${schema}`
    : `(table_schema = ${schema} or referenced_table_schema = ${schema})`;
  return `select table_schema as child_schema, table_name as table_name, constraint_name as name, column_name as column_name,
  referenced_table_schema as parent_schema, referenced_table_name as parent_table,
  referenced_column_name as parent_column
from information_schema.key_column_usage
where ${place} and referenced_table_name is not null
order by table_name, constraint_name, ordinal_position`;
}

/** What becomes of the rows that refer to one that is deleted or changed; `isWithin` as above. */
export function referringKeysQuery(schema: string, isWithin: boolean): string {
  return `select constraint_schema as child_schema, table_name as child_table, constraint_name as name,
  referenced_table_name as parent_table, delete_rule as delete_rule, update_rule as update_rule
from information_schema.referential_constraints
where ${isWithin ? 'constraint_schema' : 'unique_constraint_schema'} = ${schema} and unique_constraint_schema = ${schema}`;
}

export function deleteTriggersQuery(schema: string): string {
  return `select event_object_table as table_name from information_schema.triggers
where event_object_schema = ${schema} and event_manipulation = 'DELETE'`;
}

/** MariaDB's JSON is LONGTEXT with a check. */
export function jsonChecksQuery(schema: string): string {
  return `select table_name as table_name, check_clause as clause
from information_schema.check_constraints
where constraint_schema = ${schema} and check_clause like 'json_valid(%'`;
}
