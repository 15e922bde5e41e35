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

/** Types whose values are looked up by `=` where an index or a hash serves. */
const hashedTypes = new Set(
  'bool int2 int4 int8 oid date time timestamp timestamptz uuid'
    .split(' ')
    .map((name) => `pg_catalog.${name}`),
);

/**
 * Equal values have one text: 1.0 is 1.00, and a char is what stands before
 * its blanks. The casts are for domains.
 */
function uniform({ type }: ColumnShape, value: string): string {
  switch (type) {
    case 'pg_catalog.numeric':
      return `pg_catalog.trim_scale(${value}::${type})`;
    case 'pg_catalog.bpchar':
      return `${value}::${type}::pg_catalog.text`;
    default:
      return `${value}::${type}`;
  }
}

/**
 * Equal rows are numbered, and of each so many go as are given.
 *
 * Rows are compared by the text of all their columns. In it NULL is like NULL
 * and like nothing else; json and point, which have no `=`, are like the
 * others, and so is box, whose `=` compares areas. And it can be hashed: IS
 * NOT DISTINCT FROM would look at the whole table for each row that is given.
 * What is never null is compared for itself too, where it may have an index.
 * Rows of two partitions may have the same ctid.
 */
export function deleteEqualStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
): string {
  const given = columns.map((column, index) =>
    uniform(column, valueExpression(column, index)),
  );
  const own = columns.map((column) =>
    uniform(column, `t.${quoteIdentifier(column.name)}`),
  );
  const looked = columns.flatMap(({ type, nullable }, index) =>
    !nullable && hashedTypes.has(type) ? [index] : [],
  );
  const names = [...looked.map((index) => `c${index + 1}`), 'whole'];
  const values = (texts: readonly string[]): string =>
    [
      ...looked.map((index) => `${texts[index]!} as c${index + 1}`),
      `row(${texts.join(', ')})::pg_catalog.text collate pg_catalog."C" as whole`,
    ].join(', ');
  return [
    'with v as materialized (',
    `  select ${values(given)}`,
    `  from ${rowSource(columns)}`,
    '),',
    'g as (',
    `  select ${names.join(', ')}, count(*) as wanted, row_number() over () as kind`,
    `  from v group by ${names.join(', ')}`,
    '),',
    'found as (',
    '  select o.part, o.place, g.wanted, row_number() over (partition by g.kind) as number',
    `  from (select t.tableoid as part, t.ctid as place, ${values(own)}`,
    `    from ${tableName(table)} as t) as o`,
    `  join g on ${names.map((name) => `o.${name} = g.${name}`).join(' and ')}`,
    ')',
    `delete from ${tableName(table)} as t using found`,
    'where t.tableoid = found.part and t.ctid = found.place and found.number <= found.wanted',
  ].join('\n');
}
