/** Hand-made shapes for tests that need no server. */
import {
  columnType,
  type TypeRow,
} from '../../../src/target/sqlserver/values/column-types.ts';
import type { ColumnShape } from '../../../src/target/target.ts';
import { tableShapeIn } from '../table-shape.ts';

/** `varchar(20)`, `decimal(10,2)`, `nvarchar(max)`: as in CREATE TABLE. */
export function column(
  name: string,
  type: string,
  more: Partial<ColumnShape> & { readonly codePage?: number } = {},
): ColumnShape {
  const { codePage = 1252, ...rest } = more;
  const {
    type: castType,
    codec,
    isGenerated,
  } = columnType(typeRow(type, codePage));
  return {
    name,
    type: castType,
    codec,
    keyOrdinal: null,
    nullable: true,
    hasDefault: false,
    generated: isGenerated ?? false,
    identity: null,
    ...rest,
  };
}

/** The catalog's row for a type. */
export function typeRow(type: string, codePage = 1252): TypeRow {
  const [, name = '', first, second] =
    /^(\w+)(?:\((\w+)(?:, *(\d+))?\))?$/.exec(type) ?? [];
  const isText = /char$|text$/.test(name);
  const isTime = /^(time|datetime2|datetimeoffset)$/.test(name);
  const length = first === 'max' ? -1 : Number(first ?? 1);
  return {
    type_name: name,
    max_length: name.startsWith('n') && length > 0 ? 2 * length : length,
    precision: Number(first ?? 0),
    scale: isTime ? Number(first ?? 7) : Number(second ?? 0),
    collation_name: isText ? 'Latin1_General_BIN2' : null,
    code_page: isText ? codePage : null,
  };
}

export const tableShape = tableShapeIn('shop.dbo');
