/** The SQL for tables without a primary key: rows are matched by all they hold. */
import type { ColumnShape, TableShape } from '../target.ts';
import { rowSource, valueExpression, valueList } from './row-source.ts';
import { insertInto, quoteIdentifier, tableName } from './statements.ts';

export function insertStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
): string {
  return [
    insertInto(table, columns),
    `select ${valueList(columns)}`,
    `from ${rowSource(columns)}`,
  ].join('\n');
}

/**
 * Types whose `=` takes no two values for one that differ, save in how they
 * are printed (1.0 and 1.00). All others are compared as text: json and xml
 * have no `=` at all, that of box compares areas, and one of an extension may
 * do anything.
 */
const comparedTypes = new Set(
  'bool int2 int4 int8 oid float4 float8 numeric money date time timetz timestamp timestamptz uuid bytea bit varbit inet cidr macaddr macaddr8 jsonb'
    .split(' ')
    .map((name) => `pg_catalog.${name}`),
);

/** Of both sides alike, whether the column is of a domain or has a collation. */
function compared({ type }: ColumnShape, value: string): string {
  return comparedTypes.has(type)
    ? `${value}::${type}`
    : `${value}::${type === 'pg_catalog.text' ? '' : `${type}::`}pg_catalog.text collate pg_catalog."C"`;
}

/**
 * Equal rows are numbered, and of each so many go as are given. Columns that
 * may be null are compared as one record, to whose `=` NULL equals NULL: it
 * can be sorted by, whereas IS NOT DISTINCT FROM would look at every row of
 * the table for each that is given. Rows of partitions share their ctid.
 */
export function deleteEqualStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
): string {
  const names = columns.map((_, index) => `c${index + 1}`);
  const given = columns.map((column, index) =>
    compared(column, valueExpression(column, index)),
  );
  const own = columns.map((column) =>
    compared(column, `t.${quoteIdentifier(column.name)}`),
  );
  const isNullable = (_: string, index: number): boolean =>
    columns[index]!.nullable;
  const record = (values: readonly string[]): string =>
    `row(${values.filter(isNullable).join(', ')}) as r`;
  const plain = own.flatMap((value, index) =>
    columns[index]!.nullable ? [] : [{ value, name: names[index]! }],
  );
  const hasRecord = plain.length < columns.length;
  const table1 = [
    't.tableoid as part',
    't.ctid as place',
    ...plain.map(({ value, name }) => `${value} as ${name}`),
    ...(hasRecord ? [record(own)] : []),
  ];
  const matches = [
    ...plain.map(({ name }) => `o.${name} = g.${name}`),
    ...(hasRecord ? ['o.r = g.r'] : []),
  ];
  return [
    `with v (${names.join(', ')}) as materialized (`,
    `  select ${given.join(', ')}`,
    `  from ${rowSource(columns)}`,
    '),',
    'g as (',
    `  select ${[...plain.map(({ name }) => name), ...(hasRecord ? [record(names)] : [])].join(', ')},`,
    '    count(*) as wanted, row_number() over () as kind',
    `  from v group by ${names.join(', ')}`,
    '),',
    'found as (',
    '  select o.part, o.place, g.wanted, row_number() over (partition by g.kind) as number',
    `  from (select ${table1.join(', ')} from ${tableName(table)} as t) as o`,
    `  join g on ${matches.join(' and ')}`,
    ')',
    `delete from ${tableName(table)} as t using found`,
    'where t.tableoid = found.part and t.ctid = found.place and found.number <= found.wanted',
  ].join('\n');
}
