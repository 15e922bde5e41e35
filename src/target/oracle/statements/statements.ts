/**
 * The SQL of the Oracle target: pure functions from a shape to a text that is
 * executed for many rows at once (array DML), one execution for each row.
 *
 * Every bind but that of a float is text, and is converted where it is used,
 * with a fixed format or under the session's fixed NLS settings (driver.ts).
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import { schemaNameParts } from '../../../mutation/schema-name.ts';
import { oracleSchemaPart } from '../catalog/schema-part.ts';
import type { SchemaName } from '../../../mutation/schema-name.ts';
import type { ColumnShape, TableShape } from '../../target.ts';
import { type OracleCodec, codecOf } from '../values/codec.ts';
import type { BindMode } from '../values/values.ts';

/** Always quoted. No name of Oracle holds a double quote or NUL. */
export function quoteIdentifier(name: string): string {
  if (/["\0]/.test(name)) {
    throw new ReplicatorError('E4008', {
      detail: 'a name holds a character that no name of Oracle has',
    });
  }
  return `"${name}"`;
}

/** The schema in Oracle's catalog. */
export function oracleSchema(schema: SchemaName): string {
  return oracleSchemaPart(schemaNameParts(schema)[0] ?? '');
}

export function quoteSchema(schema: SchemaName): string {
  return quoteIdentifier(oracleSchema(schema));
}

export interface UpsertVariant {
  /** Columns that are not carried go to their defaults. */
  readonly replace?: boolean;
  /** How each column is bound; inline where nothing is said. */
  readonly modes?: readonly BindMode[];
  /** Inserted as null and left alone by an update: see upsert-plan.ts. */
  readonly nulled?: readonly ColumnShape[];
}

/** Inserts a row or, where the key exists, updates the columns it carries. */
export function upsertStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  { replace = false, modes = [], nulled = [] }: UpsertVariant = {},
): string {
  const value = (column: ColumnShape): string => {
    const index = columns.indexOf(column);
    return valueExpression(column, `v.c${index + 1}`, modes[index]);
  };
  const updated = columns
    .filter(({ keyOrdinal }) => keyOrdinal === null)
    .map((column) => `t.${quoteIdentifier(column.name)} = ${value(column)}`);
  const reset = replace
    ? table.columns
        .filter(
          (column) => isReset(column, columns) && !nulled.includes(column),
        )
        .map(({ name }) => `t.${quoteIdentifier(name)} = default`)
    : [];
  const changes = [...updated, ...reset];
  const inserted = [
    ...columns.map((column) => [column, value(column)] as const),
    ...nulled.map((column) => [column, 'null'] as const),
  ];
  return [
    `merge into ${tableName(table)} t`,
    `using ${boundRow(columns.length)}`,
    `on (${table.primaryKey.map((column) => `t.${quoteIdentifier(column.name)} = ${value(column)}`).join(' and ')})`,
    ...(changes.length === 0
      ? []
      : [`when matched then update set\n  ${changes.join(',\n  ')}`]),
    `when not matched then insert (${inserted.map(([{ name }]) => quoteIdentifier(name)).join(', ')})`,
    `values (${inserted.map(([, expression]) => expression).join(', ')})`,
  ].join('\n');
}

function isReset(
  column: ColumnShape,
  carried: readonly ColumnShape[],
): boolean {
  return (
    column.keyOrdinal === null &&
    !column.generated &&
    column.identity === null &&
    !carried.includes(column)
  );
}

export function deleteStatement(table: TableShape): string {
  return [
    `delete from ${tableName(table)} t`,
    `where ${positionalKeyMatch(table)}`,
  ].join('\n');
}

/** Of a row that is there: its values are bound, then its key. */
export function updateStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
): string {
  const bind = (place: number) => (column: ColumnShape, index: number) =>
    `t.${quoteIdentifier(column.name)} = ${valueExpression(column, `:${place + index + 1}`)}`;
  return [
    `update ${tableName(table)} t`,
    `set ${columns.map(bind(0)).join(', ')}`,
    `where ${table.primaryKey.map(bind(columns.length)).join(' and ')}`,
  ].join('\n');
}

/** Sets columns to null, by key. */
export function nullStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
): string {
  return [
    `update ${tableName(table)} t`,
    `set ${columns.map(({ name }) => `t.${quoteIdentifier(name)} = null`).join(', ')}`,
    `where ${positionalKeyMatch(table)}`,
  ].join('\n');
}

/**
 * Gives existing rows the unique values that they are about to have, all of
 * them in one statement, at whose end Oracle looks for duplicates: so values
 * that may not be null pass between rows. The one bind is a JSON array of an
 * array of texts for each row.
 */
export function passUniqueStatement(
  table: TableShape,
  passed: readonly ColumnShape[],
): string {
  const all = [...table.primaryKey, ...passed];
  const match = table.primaryKey.map(
    (column, index) =>
      `t.${quoteIdentifier(column.name)} = ${textExpression(column, `v.c${index + 1}`)}`,
  );
  const changes = passed.map((column, index) => ({
    name: `t.${quoteIdentifier(column.name)}`,
    value: textExpression(column, `v.c${table.primaryKey.length + index + 1}`),
  }));
  return [
    `merge into ${tableName(table)} t`,
    `using (`,
    `  select ${all.map((_, index) => `j.c${index + 1}`).join(', ')}`,
    `  from ${textRows(all.length)}`,
    `) v`,
    `on (${match.join(' and ')})`,
    `when matched then update set`,
    `  ${changes.map(({ name, value }) => `${name} = ${value}`).join(',\n  ')}`,
    `where ${changes.map(({ name, value }) => `decode(${name}, ${value}, 1, 0) = 0`).join(' or ')}`,
  ].join('\n');
}

/** The binds of one row as `v.c1`, `v.c2`, …: each may be named more than once. */
export function boundRow(columnCount: number): string {
  const binds = Array.from(
    { length: columnCount },
    (_, index) => `:${index + 1} as c${index + 1}`,
  );
  return `(select ${binds.join(', ')} from dual) v`;
}

/** One bind, a JSON array of an array of texts for each row, as `j.c1`, …. */
export function textRows(columnCount: number): string {
  const paths = Array.from(
    { length: columnCount },
    (_, index) => `c${index + 1} varchar2(4000) path '$[${index}]'`,
  );
  return [
    '(select :1 as rows_text from dual) d,',
    `    json_table(d.rows_text, '$[*]' error on error columns (${paths.join(', ')})) j`,
  ].join('\n');
}

export function tableName(table: TableShape): string {
  return `${quoteSchema(table.schema)}.${quoteIdentifier(table.name)}`;
}

function positionalKeyMatch(table: TableShape): string {
  return table.primaryKey
    .map(
      (column, index) =>
        `t.${quoteIdentifier(column.name)} = ${valueExpression(column, `:${index + 1}`)}`,
    )
    .join(' and ');
}

/** As {@link valueExpression}, of a value that is text even for a float. */
export function textExpression(column: ColumnShape, value: string): string {
  const codec = codecOf(column);
  return codec.kind === 'float'
    ? `to_binary_${codec.bits === 32 ? 'float' : 'double'}(${value})`
    : valueExpression(column, value);
}

const dateMask = 'YYYY-MM-DD HH24:MI:SS';

/** What values.ts binds, as the column's type. */
export function valueExpression(
  column: ColumnShape,
  value: string,
  mode: BindMode = 'inline',
): string {
  const codec = codecOf(column);
  switch (codec.kind) {
    case 'decimal':
    case 'number':
      return `to_number(${value})`;
    case 'float':
      return value;
    case 'unsupported':
      return 'null';
    case 'boolean':
      return `to_boolean(${value})`;
    case 'text':
      return textColumnExpression(codec, value, mode);
    case 'clob':
      return mode === 'lob'
        ? value
        : `case ${value} when 'x' then empty_clob() else to_clob(substr(${value}, 2)) end`;
    case 'blob':
      return mode === 'lob'
        ? value
        : `case ${value} when 'x' then empty_blob() else to_blob(hextoraw(substr(${value}, 2))) end`;
    case 'json':
      return jsonExpression(codec.carrier, value, mode);
    case 'xml':
      return `case when ${value} is null then null else xmltype(${lobText(value, mode)}) end`;
    case 'date':
      return `to_date(${value}, '${dateMask}')`;
    case 'timestamp':
      return codec.hasZone
        ? `to_timestamp_tz(${value}, '${dateMask}.FF9 TZH:TZM')`
        : `to_timestamp(${value}, '${dateMask}.FF9')`;
    case 'year-month':
      return `to_yminterval(${value})`;
    case 'day-second':
      return `to_dsinterval(${value})`;
    case 'raw':
      return `hextoraw(${value})`;
  }
}

function textColumnExpression(
  { isNational }: OracleCodec & { kind: 'text' },
  value: string,
  mode: BindMode,
): string {
  if (isNational) {
    return `to_nchar(${value})`;
  }
  return mode === 'lob' ? `to_char(${value})` : value;
}

/** A cursor keeps the types of its binds: so another type is another text. */
function lobText(value: string, mode: BindMode): string {
  return mode === 'lob' ? `to_clob(${value})` : value;
}

function jsonExpression(
  carrier: 'json' | 'clob' | 'blob' | 'text',
  value: string,
  mode: BindMode,
): string {
  switch (carrier) {
    case 'json':
      return `case when ${value} is null then null else json(${lobText(value, mode)}) end`;
    case 'clob':
      return mode === 'lob' ? value : `to_clob(${value})`;
    case 'blob':
      return mode === 'lob' ? value : `to_blob(hextoraw(${value}))`;
    case 'text':
      return mode === 'lob' ? `to_char(${value})` : value;
  }
}
