/** Hand-made shapes for tests that need no server. */
import type {
  OracleCodec,
  TextCodec,
} from '../../../src/target/oracle/values/codec.ts';
import type { ColumnShape } from '../../../src/target/target.ts';
import { tableShapeIn } from '../table-shape.ts';

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

export const tableShape = tableShapeIn('"SHOP"');
