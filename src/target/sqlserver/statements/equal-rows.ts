/**
 * Deletes rows of a table without a primary key by what they hold. Equal rows
 * are numbered on both sides, and each number of the rows given takes the row
 * of that number: one statement, whatever there is twice.
 *
 * INTERSECT holds nulls to be equal, and compares what can be hashed. Texts
 * and bytes are compared by their digest: byte by byte, for a collation or
 * blanks at the end must not let another row go; and in a few bytes, for a
 * sort takes no rows above 8060. It serves types without operators too.
 */
import type { ColumnShape, TableShape } from '../../target.ts';
import { codecOf, type SqlServerCodec } from '../values/codec.ts';
import { tableName } from '../catalog/quoting.ts';
import { ofTable, rowSource, valueExpression } from '../values/row-source.ts';

export function deleteEqualStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
): string {
  const given = columns.map((column, index) =>
    comparable(column, `w.w${index + 1}`),
  );
  const held = columns.map((column) => comparable(column, ofTable(column)));
  const names = (alias: string): string =>
    columns.map((_, index) => `${alias}.e${index + 1}`).join(', ');
  return [
    'with given as (',
    '  select',
    ...numbered(given),
    '  from (',
    '    select',
    `      ${columns.map((column, index) => `${valueExpression(column, index)} as w${index + 1}`).join(',\n      ')}`,
    `    from ${rowSource(columns)}`,
    '  ) as w',
    '), held as (',
    '  select',
    ...numbered(held),
    `  from ${tableName(table)} as t`,
    '  where exists (',
    '    select 1 from given as g',
    `    where exists (select ${held.join(', ')} intersect select ${names('g')})`,
    '  )',
    ')',
    'delete from held',
    'where exists (',
    '  select 1 from given as g',
    '  where g.place = held.place',
    `    and exists (select ${names('held')} intersect select ${names('g')})`,
    ');',
  ].join('\n');
}

/** The values as `e1`, `e2`, … and the row's place among those equal to it. */
function numbered(values: readonly string[]): string[] {
  return [
    ...values.map((value, index) => `    ${value} as e${index + 1},`),
    `    row_number() over (partition by ${values.join(', ')} order by (select null)) as place`,
  ];
}

/** A value that is equal where the column holds the same. */
function comparable(column: ColumnShape, value: string): string {
  const codec = codecOf(column);
  switch (codec.kind) {
    case 'text':
    case 'binary':
      return digest(plainType(column, codec.maxLength, value));
    case 'json':
      return codec.text === null
        ? digest(`cast(${value} as nvarchar(max))`)
        : comparable(withCodec(column, codec.text), value);
    case 'xml':
      return digest(`cast(${value} as nvarchar(max))`);
    case 'spatial':
      return digest(value);
    case 'unsupported':
      // Nothing but null is written to it.
      return `case when ${value} is null then 0 else 1 end`;
    case 'bit':
    case 'integer':
    case 'decimal':
    case 'money':
    case 'float':
    case 'uuid':
    case 'date':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
    case 'hierarchyid':
      return value;
  }
}

function withCodec(column: ColumnShape, codec: SqlServerCodec): ColumnShape {
  return { ...column, codec };
}

/** `text`, `ntext` and `image` take no function before they are cast. */
function plainType(
  { type }: ColumnShape,
  maxLength: number | null,
  value: string,
): string {
  return maxLength === null ? `cast(${value} as ${type})` : value;
}

function digest(value: string): string {
  return `cast(hashbytes('SHA2_256', cast(${value} as varbinary(max))) as binary(32))`;
}
