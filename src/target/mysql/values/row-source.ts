/** Where statements find the rows that are written: a temporary table, or one parameter. */
import type { ColumnShape, TableShape } from '../../target.ts';
import { codecOf } from './codec.ts';
import { quoteIdentifier } from '../catalog/quoting.ts';

/** Where a statement finds its rows. */
export interface RowSource {
  readonly from: string;
  /** For a select list. */
  value(column: ColumnShape): string;
  /** Of the type and collation of the column, so that its index serves. */
  key(column: ColumnShape): string;
}

/** In ON DUPLICATE KEY UPDATE the name of the target table counts too. */
function rowsAlias(table: TableShape): string {
  return table.name.toLowerCase() === 'v' ? 'w' : 'v';
}

/** A table of the session, whose columns have the target's names and types. */
export function temporarySource(
  table: TableShape,
  quotedName: string,
): RowSource {
  const alias = rowsAlias(table);
  const own = ({ name }: ColumnShape): string =>
    `${alias}.${quoteIdentifier(name)}`;
  return {
    from: `${quotedName} as ${alias}`,
    value: (column) => fromTransport(column, own(column)),
    key: own,
  };
}

/** One parameter: an array of rows, each an array of texts. */
export function jsonSource(
  table: TableShape,
  columns: readonly ColumnShape[],
): RowSource {
  const alias = rowsAlias(table);
  const places = new Map(columns.map((column, index) => [column, index]));
  const own = (column: ColumnShape): string =>
    `${alias}.c${places.get(column)! + 1}`;
  // As bytes MariaDB mixes the bits of several rows up.
  const decoded = (column: ColumnShape): string =>
    codecOf(column).kind === 'bit'
      ? `cast(conv(${own(column)}, 16, 10) as unsigned)`
      : codecOf(column).kind === 'binary'
        ? `unhex(${own(column)})`
        : own(column);
  // Of a longtext MariaDB works out that unhex gives no bytes at all.
  const paths = columns.map(
    (column, index) =>
      `    c${index + 1} ${travelsAsHex(column) ? 'mediumtext' : 'longtext'} character set utf8mb4 path '$[${index}]' error on error`,
  );
  return {
    from: `json_table(?, '$[*]' columns (\n${paths.join(',\n')}\n  )) as ${alias}`,
    value: (column) => fromTransport(column, decoded(column)),
    key: (column) => keyCast(column, decoded(column)),
  };
}

/** Bytes cross as hexadecimal digits. */
export function travelsAsHex(column: ColumnShape): boolean {
  const { kind } = codecOf(column);
  return kind === 'binary' || kind === 'bit';
}

export function fromTransport(column: ColumnShape, value: string): string {
  const codec = codecOf(column);
  if (codec.kind !== 'geometry') {
    return value;
  }
  // `T4326 POINT(1 2)`, or `B` with the digits of WKB (geometry.ts).
  const body = `substring(${value}, locate(' ', ${value}) + 1)`;
  const srid = `cast(substring(${value}, 2, locate(' ', ${value}) - 2) as unsigned)`;
  const order = codec.hasAxisOrder ? `, 'axis-order=long-lat'` : '';
  // Of what MariaDB cannot read it makes null: then the range is left instead.
  const refusal = `point(exp(710 + length(${value})), 0)`;
  return `case when ${value} is null then null
    when left(${value}, 1) = 'T' then coalesce(st_geomfromtext(${body}, ${srid}${order}), ${refusal})
    else coalesce(st_geomfromwkb(unhex(${body}), ${srid}${order}), ${refusal}) end`;
}

/**
 * For a character that the character set lacks MySQL would put a question
 * mark, and so find another row: there is no such key.
 */
function converted(value: string, charset: string): string {
  const text = `convert(${value} using ${charset})`;
  return charset === 'utf8mb4'
    ? text
    : `if(cast(convert(${text} using utf8mb4) as binary) = cast(${value} as binary), ${text}, null)`;
}

function keyCast(column: ColumnShape, value: string): string {
  const codec = codecOf(column);
  switch (codec.kind) {
    case 'integer':
      return codec.min === '0'
        ? `cast(${value} as unsigned)`
        : `cast(${value} as signed)`;
    case 'decimal':
      return `cast(${value} as decimal(${codec.precision}, ${codec.scale}))`;
    case 'float':
      return `cast(${value} as ${codec.bits === 32 ? 'float' : 'double'})`;
    case 'date':
      return `cast(${value} as date)`;
    case 'datetime':
      return `cast(${value} as datetime(${codec.fractionDigits}))`;
    case 'time':
      return `cast(${value} as time(${codec.fractionDigits}))`;
    case 'text':
    case 'enum':
    case 'set': {
      const [, charset, collation] =
        / character set (\w+) collate (\w+)$/.exec(codec.definition) ?? [];
      return charset === undefined
        ? value
        : `${converted(value, charset)} collate ${collation}`;
    }
    case 'bit':
    case 'binary':
    case 'json':
    case 'geometry':
    case 'other':
      return value;
  }
}
