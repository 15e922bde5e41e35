import type { EngineTypes } from './types.ts';
import {
  byConstraint,
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

const first = '0001-01-01 00:00:00';
const last = '9999-12-31 23:59:59.999999';
const unit = 'UTF-16 units';
const asText = 'cast(v as nvarchar(60))';
/** All 17 digits. */
const allDigits = 'convert(varchar(40), v, 3)';
const isJson = 'nvarchar(max) check (isjson(v) = 1)';

export const sqlserverTypes: EngineTypes = {
  name: 'SQL Server',
  key: 'bigint',
  cells: {
    bool: {
      column: 'bit',
      read: asText,
      outcomes: { true: '1', false: '0' },
    },
    int2: {
      column: 'smallint',
      read: asText,
      outcomes: integerOutcomes.int2,
    },
    int4: { column: 'int', read: asText, outcomes: integerOutcomes.int4 },
    int8: { column: 'bigint', read: asText, outcomes: integerOutcomes.int8 },
    'numeric(20,4)': {
      column: 'decimal(20,4)',
      read: asText,
      outcomes: { ...decimalOutcomes, NaN: noDecimal },
    },
    numeric: {
      column: 'decimal(38,10)',
      read: asText,
      outcomes: {
        '40 digits': {
          refused: 'has more than 28 digits before the point',
          clamp: `${'9'.repeat(28)}.${'9'.repeat(10)}`,
        },
        NaN: noDecimal,
        Infinity: noDecimal,
      },
    },
    float4: {
      column: 'real',
      read: allDigits,
      outcomes: {
        ...floatOutcomes(32, '1.6777216000000000e+007'),
        ordinary: '1.1000000238418579e+000',
        largest: '3.4028234663852886e+038',
        NaN: noFloat,
      },
    },
    float8: {
      column: 'float(53)',
      read: allDigits,
      outcomes: {
        ...floatOutcomes(64, '1.2345678901234567e+019'),
        ordinary: '1.0000000000000001e-001',
        largest: '1.7976931348623157e+308',
        smallest: {
          refused: 'is too near to zero for the type',
          clamp: '0.0000000000000000e+000',
        },
        NaN: noFloat,
        Infinity: noFloat,
      },
    },
    text: { column: 'nvarchar(max)' },
    'varchar(10)': {
      column: 'nvarchar(10)',
      outcomes: {
        'of the full length': longerThan(10, unit, '😀'.repeat(5)),
        'too long': longerThan(10, unit, '1234567890'),
        'too long by blanks': longerThan(10, unit, '1234567890'),
      },
    },
    'char(10)': {
      column: 'nchar(10)',
      outcomes: {
        short: 'ab        ',
        'too long': longerThan(10, unit, '1234567890'),
      },
    },
    bytea: {
      column: 'varbinary(max)',
      read: 'convert(varchar(max), v, 1)',
      outcomes: { ordinary: '0x00FF0A5C22', empty: '0x' },
    },
    uuid: {
      column: 'uniqueidentifier',
      read: 'lower(cast(v as nvarchar(36)))',
    },
    date: {
      column: 'date',
      read: asText,
      outcomes: {
        'year 10000': outside('0001-01-01', '9999-12-31'),
        'before Christ': outside('0001-01-01', '9999-12-31', '0001-01-01'),
        infinity: isInfinite('infinity', '9999-12-31'),
      },
    },
    timestamp: {
      column: 'datetime2(6)',
      read: asText,
      outcomes: {
        ordinary: '2024-02-29 12:34:56.123456',
        'year 1': `${first}.000000`,
        'year 9999': last,
        'year 10000': outside(first, last),
        'before Christ': outside(first, last, `${first}.000000`),
        infinity: isInfinite('-infinity', `${first}.000000`),
        'nine digits of a second': fractionTooLong(
          '2024-02-29 12:34:56.123457',
        ),
      },
    },
    timestamptz: {
      column: 'datetimeoffset(6)',
      read: asText,
      outcomes: {
        ordinary: '2024-02-29 12:34:56.123456 +00:00',
        'of another zone': '2024-02-29 18:04:56.123456 +05:30',
        'after 2038': '2100-01-01 00:00:00.000000 +00:00',
        'year 10000': outside(first, last, `${last} +00:00`),
        infinity: isInfinite('infinity', `${last} +00:00`),
      },
    },
    time: {
      column: 'time(6)',
      read: asText,
      outcomes: {
        midnight: '00:00:00.000000',
        '24:00:00': outside('00:00:00', '23:59:59.999999'),
      },
    },
    timetz: { column: 'nvarchar(32)' },
    interval: { column: 'nvarchar(128)' },
    jsonb: {
      column: isJson,
      outcomes: { text: byConstraint, 'a JSON null': byConstraint },
    },
    'int8[]': { column: isJson },
    'text[]': { column: isJson },
    composite: { column: isJson },
    enum: {
      column: `nvarchar(40) check (v in (N'happy', N'so so'))`,
      outcomes: { 'unknown label': byConstraint },
    },
    inet: { column: 'nvarchar(64)' },
    'bit(3)': {
      column: 'nvarchar(3)',
      outcomes: { 'too long': longerThan(3, unit, '101') },
    },
    varbit: { column: 'nvarchar(64)' },
    'xml, ltree, tsvector, money, ranges, hstore': { column: 'nvarchar(max)' },
    'geometry(Point, 4326)': {
      column: 'geometry',
      read: 'v.STAsText()',
      outcomes: { ordinary: 'POINT (9.5 47.25)' },
    },
  },
};
