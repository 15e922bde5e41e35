/** The SQL for tables without a primary key, and for all rows of a table. */
import { ReplicatorError } from '../../../failure/failure.ts';
import type { ColumnShape, ShapeRows, TableShape } from '../../target.ts';
import { codecOf } from '../values/codec.ts';
import {
  boundRow,
  quoteIdentifier,
  tableName,
  valueExpression,
} from './statements.ts';
import type { BindMode } from '../values/values.ts';

export function insertStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  modes: readonly BindMode[] = [],
): string {
  const values = columns.map((column, index) =>
    valueExpression(column, `v.c${index + 1}`, modes[index]),
  );
  return [
    `insert into ${tableName(table)} (${columns.map(({ name }) => quoteIdentifier(name)).join(', ')})`,
    `select ${values.join(', ')}`,
    `from ${boundRow(columns.length)}`,
  ].join('\n');
}

/**
 * Deletes one row that holds these values. The search ends at the first, and
 * takes an index where columns that are never null have one.
 */
export function deleteEqualStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  modes: readonly BindMode[] = [],
): string {
  const equal = columns.map((column, index) =>
    equality(column, `v.c${index + 1}`, modes[index] ?? 'inline'),
  );
  return [
    `delete from ${tableName(table)} t`,
    'where t.rowid = (',
    '  select s.rowid',
    `  from ${boundRow(columns.length)}, ${tableName(table)} s`,
    `  where ${equal.join('\n    and ')}`,
    '    and rownum = 1',
    ')',
  ].join('\n');
}

/** TRUNCATE would commit. */
export function emptyStatement(table: TableShape): string {
  return `delete from ${tableName(table)}`;
}

/**
 * The server keeps XML otherwise than it came, and has no way to compare it:
 * that no row is found would mean nothing.
 */
export function refuseXml({ table, columns, values }: ShapeRows): void {
  for (const [index, column] of columns.entries()) {
    if (
      codecOf(column).kind === 'xml' &&
      values.texts[index]!.some((token) => token !== 'null')
    ) {
      throw new ReplicatorError('E4008', {
        detail: `a row of table ${table.schema}.${table.name} cannot be found by the XML in column "${column.name}", and the table has no primary key`,
        remedy: 'give the table a primary key at the source and at the target',
      });
    }
  }
}

function equality(column: ColumnShape, value: string, mode: BindMode): string {
  const held = `s.${quoteIdentifier(column.name)}`;
  const bothNull = `${held} is null and ${value} is null`;
  const equal = presentEquality(column, value, mode);
  return !column.nullable && equal.length === 1
    ? equal[0]!
    : `(${[...equal, bothNull].join(' or ')})`;
}

/** Conditions of which one holds where neither is null and both are equal. */
function presentEquality(
  column: ColumnShape,
  value: string,
  mode: BindMode,
): string[] {
  const held = `s.${quoteIdentifier(column.name)}`;
  const codec = codecOf(column);
  switch (codec.kind) {
    case 'clob': {
      const make = codec.isNational ? 'to_nclob' : 'to_clob';
      return mode === 'lob'
        ? [sameLob(held, codec.isNational ? `${make}(${value})` : value)]
        : markedLob(held, value, `${make}(substr(${value}, 2))`);
    }
    case 'blob':
      return mode === 'lob'
        ? [sameLob(held, value)]
        : markedLob(held, value, `to_blob(hextoraw(substr(${value}, 2)))`);
    case 'json': {
      const written = valueExpression(column, value, mode);
      return [
        codec.carrier === 'json'
          ? `json_equal(${held}, ${written})`
          : codec.carrier === 'text'
            ? `${held} = ${written}`
            : sameLob(held, written),
      ];
    }
    case 'unsupported':
    case 'xml':
      // Nothing but null comes here.
      return [];
    case 'boolean':
    case 'date':
    case 'day-second':
    case 'decimal':
    case 'float':
    case 'number':
    case 'raw':
    case 'text':
    case 'timestamp':
    case 'year-month':
      return [`${held} = ${valueExpression(column, value, mode)}`];
  }
}

/** See the `x` of values.ts. DBMS_LOB takes no EMPTY_CLOB() of a statement. */
function markedLob(held: string, value: string, lob: string): string[] {
  return [
    `${value} = 'x' and dbms_lob.getlength(${held}) = 0`,
    `${value} <> 'x' and ${sameLob(held, lob)}`,
  ];
}

function sameLob(held: string, lob: string): string {
  return `dbms_lob.compare(${held}, ${lob}) = 0`;
}
