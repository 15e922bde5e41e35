/**
 * The JSON that a slot's values become, against what the targets other than
 * PostgreSQL make of it in the columns of docs/types.md.
 */
import { describe, expect, test } from 'vitest';
import { columnJson } from '../../../../src/source/logical/decode/column-text.ts';
import { TypeCatalog } from '../../../../src/source/logical/decode/type-catalog.ts';
import type { MysqlCodec } from '../../../../src/target/mysql/values/codec.ts';
import { readerOf } from '../../../../src/target/mysql/values/values.ts';
import type { OracleCodec } from '../../../../src/target/oracle/values/codec.ts';
import { valueWriter } from '../../../../src/target/oracle/values/values.ts';
import type { SqlServerCodec } from '../../../../src/target/sqlserver/values/codec.ts';
import { columnText } from '../../../../src/target/sqlserver/values/values.ts';
import type { ColumnShape } from '../../../../src/target/target.ts';

const limits = { precision: 38, scale: 10 };
const mysql = {
  boolean: { kind: 'integer', min: '-128', max: '127' },
  bigint: {
    kind: 'integer',
    min: '-9223372036854775808',
    max: '9223372036854775807',
  },
  decimal: { kind: 'decimal', ...limits },
  double: { kind: 'float', bits: 64 },
  char: { kind: 'text', maxLength: 36, unit: 'characters', fixed: true },
  longtext: { kind: 'text', maxLength: null, unit: 'bytes', fixed: false },
  longblob: { kind: 'binary', maxLength: 1000, fixed: false },
  date: { kind: 'date' },
  datetime: { kind: 'datetime', fractionDigits: 6, until: null },
  time: { kind: 'time', fractionDigits: 6 },
  bit: { kind: 'bit', bits: 3 },
  enum: { kind: 'enum', labels: ['happy', 'so so'] },
  json: { kind: 'json', isText: false },
} as const;

const sqlserver = {
  bit: { kind: 'bit' },
  bigint: { kind: 'integer', bits: 64 },
  decimal: { kind: 'decimal', ...limits },
  float: { kind: 'float', bits: 64 },
  text: {
    kind: 'text',
    maxLength: null,
    codePage: null,
    isPadded: false,
    collation: 'Latin1_General_BIN2',
  },
  bytes: { kind: 'binary', maxLength: null, isPadded: false },
  uuid: { kind: 'uuid' },
  date: { kind: 'date' },
  datetime2: { kind: 'timestamp', type: 'datetime2', fractionDigits: 6 },
  datetimeoffset: { kind: 'timestamptz', fractionDigits: 6 },
  time: { kind: 'time', fractionDigits: 6 },
  json: { kind: 'json', text: null },
} as const satisfies Record<string, SqlServerCodec>;

const oracle = {
  number: { kind: 'number', digitCount: 38 },
  decimal: { kind: 'decimal', ...limits },
  double: { kind: 'float', bits: 64 },
  char: {
    kind: 'text',
    maxLength: 10,
    unit: 'characters',
    maxBytes: 40,
    isPadded: true,
    isNational: false,
    characterSet: 'unicode',
  },
  clob: { kind: 'clob', isNational: false, characterSet: 'unicode' },
  blob: { kind: 'blob' },
  raw: { kind: 'raw', maxBytes: 16 },
  date: { kind: 'date' },
  timestamp: { kind: 'timestamp', fractionDigits: 6, hasZone: false },
  timestamptz: { kind: 'timestamp', fractionDigits: 6, hasZone: true },
  time: { kind: 'day-second', dayDigits: 0, fractionDigits: 6 },
  json: { kind: 'json', carrier: 'clob', characterSet: 'unicode' },
} as const satisfies Record<string, OracleCodec>;

interface Columns {
  readonly mysql: keyof typeof mysql;
  readonly sqlserver: keyof typeof sqlserver;
  readonly oracle: keyof typeof oracle;
}

const columns = {
  boolean: { mysql: 'boolean', sqlserver: 'bit', oracle: 'number' },
  bigint: { mysql: 'bigint', sqlserver: 'bigint', oracle: 'number' },
  decimal: { mysql: 'decimal', sqlserver: 'decimal', oracle: 'decimal' },
  double: { mysql: 'double', sqlserver: 'float', oracle: 'double' },
  char: { mysql: 'char', sqlserver: 'text', oracle: 'char' },
  text: { mysql: 'longtext', sqlserver: 'text', oracle: 'clob' },
  bytes: { mysql: 'longblob', sqlserver: 'bytes', oracle: 'blob' },
  uuid: { mysql: 'char', sqlserver: 'uuid', oracle: 'raw' },
  date: { mysql: 'date', sqlserver: 'date', oracle: 'date' },
  timestamp: { mysql: 'datetime', sqlserver: 'datetime2', oracle: 'timestamp' },
  timestamptz: {
    mysql: 'datetime',
    sqlserver: 'datetimeoffset',
    oracle: 'timestamptz',
  },
  time: { mysql: 'time', sqlserver: 'time', oracle: 'time' },
  bit: { mysql: 'bit', sqlserver: 'text', oracle: 'clob' },
  enum: { mysql: 'enum', sqlserver: 'text', oracle: 'clob' },
  json: { mysql: 'json', sqlserver: 'json', oracle: 'json' },
} as const satisfies Record<string, Columns>;

interface Written {
  readonly mysql: string;
  readonly sqlserver: string;
  readonly oracle: string | number;
}

const everywhere = (text: string): Written => ({
  mysql: text,
  sqlserver: text,
  oracle: text,
});

/** Type of the source and its text; the column there, and what is written. */
const cases: readonly (readonly [
  number,
  string,
  keyof typeof columns,
  Written,
])[] = [
  [16, 't', 'boolean', everywhere('1')],
  [20, '-9223372036854775808', 'bigint', everywhere('-9223372036854775808')],
  [1700, '1.5000', 'decimal', everywhere('1.5000')],
  [790, '$1,234.50', 'decimal', everywhere('1234.50')],
  [701, '1e-05', 'double', { ...everywhere('1e-05'), oracle: 0.00001 }],
  [
    1042,
    'ab        ',
    'char',
    { mysql: 'ab', sqlserver: 'ab', oracle: 'ab        ' },
  ],
  [25, 'é"\\\n', 'text', { ...everywhere('é"\\\n'), oracle: 'xé"\\\n' }],
  [
    17,
    '\\x00ff',
    'bytes',
    { mysql: '00ff', sqlserver: '00ff', oracle: 'x00ff' },
  ],
  [
    2950,
    'f47ac10b-58cc-4372-a567-0e02b2c3d479',
    'uuid',
    {
      ...everywhere('f47ac10b-58cc-4372-a567-0e02b2c3d479'),
      oracle: 'f47ac10b58cc4372a5670e02b2c3d479',
    },
  ],
  [
    1082,
    '2024-02-29',
    'date',
    { ...everywhere('2024-02-29'), oracle: '2024-02-29 00:00:00' },
  ],
  [
    1114,
    '2024-02-29 12:34:56.5',
    'timestamp',
    {
      mysql: '2024-02-29 12:34:56.5',
      sqlserver: '2024-02-29T12:34:56.5',
      oracle: '2024-02-29 12:34:56.500000000',
    },
  ],
  [
    1184,
    '2024-02-29 12:34:56.5+00',
    'timestamptz',
    {
      mysql: '2024-02-29 12:34:56.5',
      sqlserver: '2024-02-29T12:34:56.5+00:00',
      oracle: '2024-02-29 12:34:56.500000000 +00:00',
    },
  ],
  [
    1083,
    '12:34:56.5',
    'time',
    { ...everywhere('12:34:56.5'), oracle: '+0 12:34:56.500000000' },
  ],
  [1560, '101', 'bit', { mysql: '05', sqlserver: '101', oracle: 'x101' }],
  [3802, '{"a": [1.0]}', 'json', everywhere('{"a": [1.0]}')],
  [3802, 'null', 'json', everywhere('null')],
  [
    1016,
    '{9223372036854775807,NULL}',
    'json',
    everywhere('[9223372036854775807,null]'),
  ],
  [1009, '{"a\\"b",NULL}', 'json', everywhere('["a\\"b",null]')],
];

describe('a value of a slot', () => {
  test.each(cases)(
    'of type %i is written by every target: %s',
    async (oid, text, column, written) => {
      const types = new TypeCatalog(() => Promise.resolve([]));
      const token = columnJson(types.type(oid, 14), text);
      const names = columns[column];
      const shape: ColumnShape = {
        name: 'v',
        type: '',
        codec: oracle[names.oracle],
        keyOrdinal: null,
        nullable: true,
        hasDefault: false,
        generated: false,
        identity: null,
      };
      const oracleWriter = valueWriter(shape, 'error');
      expect({
        mysql: readerOf({
          definition: '',
          ...mysql[names.mysql],
        } as MysqlCodec)(token),
        sqlserver: columnText(sqlserver[names.sqlserver], token),
        oracle: oracleWriter.bound(oracleWriter.text(token)).value,
      }).toEqual(written);
    },
  );
});
