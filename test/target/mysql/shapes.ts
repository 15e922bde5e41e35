/** Hand-made shapes for tests that need no server. */
import type { MysqlCodec } from '../../../src/target/mysql/values/codec.ts';
import type { ColumnShape } from '../../../src/target/target.ts';
import { tableShapeIn } from '../table-shape.ts';

export const codecs = {
  bigint: {
    kind: 'integer',
    definition: 'bigint(20)',
    min: '-9223372036854775808',
    max: '9223372036854775807',
  },
  varchar: {
    kind: 'text',
    definition: 'varchar(20) character set utf8mb4 collate utf8mb4_bin',
    maxLength: 20,
    unit: 'characters',
    fixed: false,
  },
  decimal: {
    kind: 'decimal',
    definition: 'decimal(12,2)',
    precision: 12,
    scale: 2,
  },
  bit: { kind: 'bit', definition: 'bit(4)', bits: 4 },
  uuid: {
    kind: 'binary',
    definition: 'binary(16)',
    maxLength: 16,
    fixed: true,
  },
  datetime: {
    kind: 'datetime',
    definition: 'datetime(6)',
    fractionDigits: 6,
    until: null,
  },
  point: {
    kind: 'geometry',
    definition: 'geometry',
    srid: 4326,
    hasAxisOrder: true,
  },
} as const satisfies Record<string, MysqlCodec>;

export function column(
  name: string,
  codec: MysqlCodec,
  more: Partial<ColumnShape> = {},
): ColumnShape {
  return {
    name,
    type: codec.definition,
    codec,
    keyOrdinal: null,
    nullable: true,
    hasDefault: false,
    generated: false,
    identity: null,
    ...more,
  };
}

export const tableShape = tableShapeIn('shop');
