import type { EngineTypes, TypeCell } from './types.ts';
import {
  decimalOutcomes,
  floatOutcomes,
  fractionTooLong,
  integerOutcomes,
  isInfinite,
  longerThan,
  noDecimal,
  noFloat,
  outside,
} from './types-outcomes.ts';
import type { SourceType } from './types-source.ts';

const first = '0001-01-01 00:00:00';
const last = '9999-12-31 23:59:59.999999';
const refusedText = {
  'too long': longerThan(10, 'characters', '1234567890'),
};

const cells: Readonly<Record<SourceType, TypeCell>> = {
  bool: { column: 'tinyint(1)', outcomes: { true: '1', false: '0' } },
  int2: { column: 'smallint', outcomes: integerOutcomes.int2 },
  int4: { column: 'int', outcomes: integerOutcomes.int4 },
  int8: { column: 'bigint', outcomes: integerOutcomes.int8 },
  'numeric(20,4)': {
    column: 'decimal(20,4)',
    outcomes: { ...decimalOutcomes, NaN: noDecimal },
  },
  numeric: {
    column: 'decimal(65,30)',
    outcomes: {
      '38 digits':
        '-1234567890123456789012345678.012345678900000000000000000000',
      '40 digits': {
        refused: 'has more than 35 digits before the point',
        clamp: `${'9'.repeat(35)}.${'9'.repeat(30)}`,
      },
      NaN: noDecimal,
      Infinity: noDecimal,
    },
  },
  float4: {
    column: 'float',
    // As it stands a FLOAT shows six digits.
    read: 'cast(v as double)',
    outcomes: {
      ...floatOutcomes(32, '16777216'),
      ordinary: '1.100000023841858',
      largest: '3.4028234663852886e38',
      NaN: noFloat,
    },
  },
  float8: {
    column: 'double',
    outcomes: {
      ...floatOutcomes(64, '1.2345678901234567e19'),
      largest: '1.7976931348623157e308',
      NaN: noFloat,
      Infinity: noFloat,
    },
  },
  text: { column: 'longtext' },
  'varchar(10)': {
    column: 'varchar(10)',
    outcomes: {
      ...refusedText,
      'too long by blanks': longerThan(10, 'characters', '1234567890'),
    },
  },
  'char(10)': { column: 'char(10)', outcomes: refusedText },
  bytea: {
    column: 'longblob',
    outcomes: { ordinary: '0x00ff0a5c22', empty: '0x' },
  },
  uuid: { column: 'char(36)' },
  date: {
    column: 'date',
    outcomes: {
      'year 10000': outside('0001-01-01', '9999-12-31'),
      'before Christ': outside('0001-01-01', '9999-12-31', '0001-01-01'),
      infinity: isInfinite('infinity', '9999-12-31'),
    },
  },
  timestamp: {
    column: 'datetime(6)',
    outcomes: {
      ordinary: '2024-02-29 12:34:56.123456',
      'year 1': `${first}.000000`,
      'year 9999': last,
      'year 10000': outside(first, last),
      'before Christ': outside(first, last, `${first}.000000`),
      infinity: isInfinite('-infinity', `${first}.000000`),
      'nine digits of a second': fractionTooLong('2024-02-29 12:34:56.123457'),
    },
  },
  timestamptz: {
    column: 'datetime(6)',
    outcomes: {
      ordinary: '2024-02-29 12:34:56.123456',
      'of another zone': '2024-02-29 12:34:56.123456',
      'after 2038': '2100-01-01 00:00:00.000000',
      'year 10000': outside(first, last),
      infinity: isInfinite('infinity', last),
    },
  },
  time: {
    column: 'time(6)',
    outcomes: { midnight: '00:00:00.000000', '24:00:00': '24:00:00.000000' },
  },
  timetz: { column: 'varchar(32)' },
  interval: { column: 'varchar(128)' },
  jsonb: {
    column: 'json',
    outcomes: { 'a JSON null': 'null' },
  },
  'int8[]': { column: 'json' },
  'text[]': { column: 'json' },
  composite: { column: 'json' },
  enum: {
    column: `enum('happy', 'so so')`,
    outcomes: {
      'unknown label': { refused: 'is not one of the labels of the column' },
    },
  },
  inet: { column: 'varchar(64)' },
  'bit(3)': {
    column: 'bit(3)',
    read: `bin(v)`,
    outcomes: { 'too long': { refused: 'has 4 bits and not 3' } },
  },
  varbit: { column: 'varchar(64)' },
  'xml, ltree, tsvector, money, ranges, hstore': { column: 'longtext' },
  'geometry(Point, 4326)': {
    column: 'point ref_system_id=4326',
    read: 'st_astext(v)',
    outcomes: { ordinary: 'POINT(9.5 47.25)' },
  },
};

export const mariadbTypes: EngineTypes = {
  name: 'MariaDB',
  key: 'bigint',
  cells,
};

export const mysqlTypes: EngineTypes = {
  name: 'MySQL',
  key: 'bigint',
  cells: {
    ...cells,
    // JSON is stored in parts: members are sorted, and numbers are doubles.
    jsonb: {
      column: 'json',
      outcomes: {
        object: '{"a": [9007199254740993, null, "é\\n"], "b": 1.0}',
        'a JSON null': 'null',
        'numbers beyond a double': {
          refused: 'holds a number that JSON at the target would round',
        },
      },
    },
    'int8[]': {
      column: 'json',
      outcomes: { ordinary: '[9223372036854775807, null]' },
    },
    'text[]': {
      column: 'json',
      outcomes: { ordinary: '["a\\"b", "c,d", null]' },
    },
    composite: {
      column: 'json',
      outcomes: { ordinary: '{"n": 1, "t": "a,\\"b\\""}' },
    },
    'geometry(Point, 4326)': {
      column: 'point srid 4326',
      read: 'st_astext(v)',
      // The reference system has the latitude first.
      outcomes: { ordinary: 'POINT(47.25 9.5)' },
    },
  },
};
