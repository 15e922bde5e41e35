/**
 * The rows of a statement: one parameter, `@rows`, a JSON array with an array
 * of texts and nulls for each row (values.ts), opened by OPENJSON as `v`.
 * Everything is cast from text: a JSON number, or a decimal parameter of the
 * driver, would lose digits. Casts to a type with its length cut silently;
 * values.ts lets nothing pass that they would cut.
 */
import type { ColumnShape, TableShape } from '../../target.ts';
import { codecOf } from './codec.ts';
import { quoteIdentifier } from '../catalog/quoting.ts';

export function rowSource(columns: readonly ColumnShape[]): string {
  return [
    'openjson(@rows) with (',
    `  ${columns
      .map((column, index) => `c${index + 1} ${wireType(column)} '$[${index}]'`)
      .join(',\n  ')}`,
    ') as v',
  ].join('\n');
}

/** Never shorter than what values.ts may send: OPENJSON does not complain. */
function wireType(column: ColumnShape): string {
  const codec = codecOf(column);
  switch (codec.kind) {
    case 'text':
      return codec.maxLength !== null && codec.maxLength <= 4000
        ? 'nvarchar(4000)'
        : 'nvarchar(max)';
    case 'binary':
      return codec.maxLength !== null && codec.maxLength <= 2000
        ? 'nvarchar(4000)'
        : 'nvarchar(max)';
    case 'hierarchyid':
      return 'nvarchar(4000)';
    case 'json':
    case 'xml':
    case 'spatial':
    case 'unsupported':
      return 'nvarchar(max)';
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
      return 'nvarchar(64)';
  }
}

export interface KeyMatchOptions {
  /** Where the columns begin among those of the rows. */
  readonly first?: number;
  /** The column as it is at the target; `t.[id]` where nothing is said. */
  readonly held?: (column: ColumnShape) => string;
}

/** The column in the table's row, `t`. */
export function ofTable({ name }: ColumnShape): string {
  return `t.${quoteIdentifier(name)}`;
}

/**
 * Key columns of text and bytes are also compared byte by byte: a collation,
 * or blanks at the end, must never make two rows of the source one row.
 */
export function keyMatch(
  table: TableShape,
  columns: readonly ColumnShape[],
  { first = 0, held = ofTable }: KeyMatchOptions = {},
): string {
  return table.primaryKey
    .flatMap((column) => {
      const name = held(column);
      const value = valueExpression(column, first + columns.indexOf(column));
      const { kind } = codecOf(column);
      return kind === 'text' || kind === 'binary' || kind === 'json'
        ? [
            `${name} = ${value}`,
            `cast(${name} as varbinary(8000)) = cast(${value} as varbinary(8000))`,
            `datalength(${name}) = datalength(${value})`,
          ]
        : [`${name} = ${value}`];
    })
    .join('\n    and ');
}

export function valueList(columns: readonly ColumnShape[]): string {
  return columns
    .map((column, index) => valueExpression(column, index))
    .join(', ');
}

export function collate(column: ColumnShape): string {
  const codec = codecOf(column);
  if (codec.kind === 'json' && codec.text !== null) {
    return collate({ ...column, codec: codec.text });
  }
  return codec.kind === 'text' && codec.collation !== null
    ? ` collate ${codec.collation}`
    : '';
}

export function valueExpression(column: ColumnShape, index: number): string {
  const value = `v.c${index + 1}`;
  const codec = codecOf(column);
  switch (codec.kind) {
    case 'text':
      // The collation decides on the code page of varchar.
      return `cast(${value}${collate(column)} as ${column.type})`;
    case 'json':
      return codec.text === null
        ? `cast(${value} as ${column.type})`
        : valueExpression({ ...column, codec: codec.text }, index);
    case 'xml':
      // 1: blanks between elements stay.
      return `convert(xml, ${value}, 1)`;
    case 'binary':
      // 2: hexadecimal digits without 0x.
      return `convert(${column.type}, ${value}, 2)`;
    case 'spatial':
      // `4326;POINT (1 2)`. A method takes no null for a number (error 6569).
      return `case when ${value} is null then null else ${codec.type}::STGeomFromText(substring(${value}, charindex(';', ${value}) + 1, len(${value})), cast(left(${value}, charindex(';', ${value}) - 1) as int)) end`;
    case 'hierarchyid':
      return `case when ${value} is null then null else hierarchyid::Parse(${value}) end`;
    case 'unsupported':
      // Nothing else comes, and nvarchar(max) has no way to sql_variant.
      return 'null';
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
      return `cast(${value} as ${column.type})`;
  }
}
