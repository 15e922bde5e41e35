/** Where statements find the rows that are written: one array for each column. */
import type { ColumnShape } from '../../target.ts';
import { codecOf } from './codec.ts';

/**
 * Arrays side by side in a select list stream; as functions of a FROM clause
 * each is first written to a store of its own, which costs a tenth more time.
 */
export function rowSource(columns: readonly ColumnShape[]): string {
  const arrays = columns.map(
    (column, index) =>
      `unnest(${arrayParameter(column, index)}) as c${index + 1}`,
  );
  return `(select ${arrays.join(', ')}) as v`;
}

export function arrayParameter(column: ColumnShape, index: number): string {
  return `$${index + 1}::${travelsAsText(column) ? 'pg_catalog.text' : column.type}[]`;
}

export function valueList(columns: readonly ColumnShape[]): string {
  return columns
    .map((column, index) => valueExpression(column, index))
    .join(', ');
}

/**
 * Arrays and composites travel as text, for unnest would flatten the ones and
 * expand the others.
 */
export function travelsAsText(column: ColumnShape): boolean {
  const codec = codecOf(column);
  return (
    codec.kind === 'array' ||
    codec.kind === 'composite' ||
    codec.kind === 'geometry' ||
    (codec.kind === 'scalar' && codec.viaText === true)
  );
}

export function valueExpression(column: ColumnShape, index: number): string {
  const value = `v.c${index + 1}`;
  const codec = codecOf(column);
  if (codec.kind === 'geometry') {
    return geometryExpression(value, column.type, codec.srid);
  }
  return travelsAsText(column) ? `${value}::${column.type}` : value;
}

/**
 * GeoJSON carries no SRID, and PostGIS takes it for 4326: the column's own is
 * put on it, 0 where the column takes any. Everything else (WKT, EWKT, hex)
 * says its SRID itself.
 */
function geometryExpression(
  value: string,
  type: string,
  srid: number | null,
): string {
  const functions = type.slice(0, type.lastIndexOf('.'));
  const name = type.slice(functions.length + 1).replaceAll('"', '');
  const fallback = name === 'geography' ? 4326 : 0;
  const fromJson =
    `${functions}.st_setsrid(${functions}.st_geomfromgeojson(${value}), ${srid || fallback})` +
    (name === 'geography' ? `::${type}` : '');
  return `case when ${value} like '{%' then ${fromJson} else ${value}::${type} end`;
}
