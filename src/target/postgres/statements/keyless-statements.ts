/** The SQL for tables without a primary key: rows are matched by all they hold. */
import type { ColumnShape, TableShape } from '../../target.ts';
import { rowSource, valueExpression, valueList } from '../values/row-source.ts';
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

const variedTypes = new Set(['pg_catalog.numeric', 'pg_catalog.bpchar']);

/**
 * Equal rows are numbered, and of each so many go as are given: first those
 * that are written as one given is, for as many as are given in that writing.
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
  const varied = columns.flatMap(({ type }, index) =>
    variedTypes.has(type) ? [index] : [],
  );
  const isVaried = varied.length > 0;
  const names = [...looked.map((index) => `c${index + 1}`), 'whole'];
  const same = names.map((name) => `o.${name} = g.${name}`).join(' and ');
  const values = (
    texts: readonly string[],
    raw: (index: number) => string,
  ): string =>
    [
      ...looked.map((index) => `${texts[index]!} as c${index + 1}`),
      `${rowText(texts)} as whole`,
      ...(isVaried ? [`${rowText(varied.map(raw))} as writing`] : []),
    ].join(', ');
  const givenValues = values(given, (index) =>
    valueExpression(columns[index]!, index),
  );
  const ownValues = values(
    own,
    (index) => `t.${quoteIdentifier(columns[index]!.name)}`,
  );
  const candidates = [
    `  from (select t.tableoid as part, t.ctid as place, ${ownValues}`,
    `    from ${tableName(table)} as t) as o`,
    `  join g on ${same}`,
  ];
  return [
    'with v as materialized (',
    `  select ${givenValues}`,
    `  from ${rowSource(columns)}`,
    '),',
    'g as (',
    `  select ${names.join(', ')}, count(*) as wanted, row_number() over () as kind`,
    `  from v group by ${names.join(', ')}`,
    '),',
    ...(isVaried
      ? [
          'w as (',
          '  select g.kind, o.writing, count(*) as wanted',
          `  from v as o join g on ${same}`,
          '  group by g.kind, o.writing',
          '),',
          'candidates as (',
          '  select o.part, o.place, g.kind, g.wanted, o.writing,',
          '    row_number() over (partition by g.kind, o.writing) as turn',
          ...candidates,
          '),',
          'found as (',
          '  select c.part, c.place, c.wanted, row_number() over (',
          '    partition by c.kind order by c.turn <= coalesce(w.wanted, 0) desc) as number',
          '  from candidates as c',
          '  left join w on w.kind = c.kind and w.writing = c.writing',
          ')',
        ]
      : [
          'found as (',
          '  select o.part, o.place, g.wanted, row_number() over (partition by g.kind) as number',
          ...candidates,
          ')',
        ]),
    `delete from ${tableName(table)} as t using found`,
    'where t.tableoid = found.part and t.ctid = found.place and found.number <= found.wanted',
  ].join('\n');
}

function rowText(texts: readonly string[]): string {
  return `row(${texts.join(', ')})::pg_catalog.text collate pg_catalog."C"`;
}
