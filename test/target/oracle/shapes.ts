/** Hand-made shapes for tests that need no server. */
import type { SchemaName } from '../../../src/mutation/schema-name.ts';
import type {
  OracleCodec,
  TextCodec,
} from '../../../src/target/oracle/codec.ts';
import type { ColumnShape, TableShape } from '../../../src/target/target.ts';

export const number: OracleCodec = { kind: 'number', digitCount: 38 };

export function text(
  maxLength: number,
  more: Partial<TextCodec> = {},
): TextCodec {
  return {
    kind: 'text',
    maxLength,
    unit: 'characters',
    maxBytes: Math.min(maxLength * 4, 4000),
    isPadded: false,
    isNational: false,
    characterSet: 'unicode',
    ...more,
  };
}

export function column(
  name: string,
  codec: OracleCodec,
  more: Partial<ColumnShape> = {},
): ColumnShape {
  return {
    name,
    type: codec.kind,
    codec,
    keyOrdinal: null,
    nullable: more.keyOrdinal === undefined,
    hasDefault: false,
    generated: false,
    identity: null,
    ...more,
  };
}

export function tableShape(
  name: string,
  columns: readonly ColumnShape[],
  more: Partial<TableShape> = {},
): TableShape {
  return {
    schema: '"SHOP"' as SchemaName,
    name,
    columns,
    columnByName: new Map(columns.map((each) => [each.name, each])),
    primaryKey: columns
      .filter(({ keyOrdinal }) => keyOrdinal !== null)
      .toSorted((a, b) => a.keyOrdinal! - b.keyOrdinal!),
    keyDeferrable: false,
    hasInheritors: false,
    uniqueKeys: [],
    foreignKeys: [],
    fingerprint: name,
    ...more,
  };
}
