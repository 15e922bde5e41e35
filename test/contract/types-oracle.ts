import type { EngineTypes } from './types.ts';
import {
  byConstraint,
  decimalOutcomes,
  floatOutcomes,
  fractionTooLong,
  isInfinite,
  longerThan,
  noDecimal,
  outside,
} from './types-outcomes.ts';

const first = '0001-01-01 00:00:00';
const lastSecond = '9999-12-31 23:59:59';
const last = `${lastSecond}.999999`;
const isJson = 'clob check (v is json)';
const asNumber = `to_char(v, 'TM9', 'nls_numeric_characters=''.,''')`;

const asTimestamp = `to_char(v, 'YYYY-MM-DD HH24:MI:SS.FF6')`;
const asClob = `case when length(v) = 0 then 'an empty CLOB' else to_char(v) end`;

export const oracleTypes: EngineTypes = {
  name: 'Oracle',
  key: 'number(19)',
  foldsNames: true,
  cells: {
    bool: { column: 'number(1)', outcomes: { true: '1', false: '0' } },
    int2: { column: 'number(5)', read: asNumber },
    int4: { column: 'number(10)', read: asNumber },
    int8: { column: 'number(19)', read: asNumber },
    'numeric(20,4)': {
      column: 'number(20,4)',
      read: asNumber,
      outcomes: {
        ...decimalOutcomes,
        'more digits than the scale': {
          refused: 'has digits beyond the scale of 4',
          clamp: '.0001',
        },
        'zeros at the end': '1.5',
        NaN: noDecimal,
      },
    },
    numeric: {
      column: 'number',
      read: asNumber,
      outcomes: {
        '40 digits': {
          refused: 'has more than 38 significant digits',
          clamp: '12345678901234567890123456789012345678',
        },
        NaN: noDecimal,
        Infinity: noDecimal,
      },
    },
    float4: {
      column: 'binary_float',
      read: asNumber,
      outcomes: {
        ...floatOutcomes(32, '1.6777216E+007'),
        ordinary: '1.10000002E+000',
        largest: '3.40282347E+038',
        NaN: 'Nan',
      },
    },
    float8: {
      column: 'binary_double',
      read: asNumber,
      outcomes: {
        ...floatOutcomes(64, '1.2345678901234567E+019'),
        ordinary: '1.0000000000000001E-001',
        largest: '1.7976931348623157E+308',
        smallest: '4.9406564584124654E-324',
        NaN: 'Nan',
        Infinity: '-Inf',
      },
    },
    text: {
      column: 'clob',
      read: asClob,
      outcomes: { empty: 'an empty CLOB' },
    },
    'varchar(10)': {
      column: 'varchar2(10 char)',
      outcomes: {
        empty: 'NULL',
        'too long': longerThan(10, 'characters', '1234567890'),
        'too long by blanks': longerThan(10, 'characters', '1234567890'),
      },
    },
    'char(10)': {
      column: 'char(10 char)',
      outcomes: {
        short: 'ab        ',
        'too long': longerThan(10, 'characters', '1234567890'),
      },
    },
    bytea: {
      column: 'blob',
      read: `case when dbms_lob.getlength(v) = 0 then 'an empty BLOB' else rawtohex(dbms_lob.substr(v, 2000)) end`,
      outcomes: { ordinary: '00FF0A5C22', empty: 'an empty BLOB' },
    },
    uuid: {
      column: 'raw(16)',
      read: 'rawtohex(v)',
      outcomes: { ordinary: 'F47AC10B58CC4372A5670E02B2C3D479' },
    },
    date: {
      column: 'date',
      read: `to_char(v, 'YYYY-MM-DD')`,
      outcomes: {
        'year 10000': outside(first, lastSecond, '9999-12-31'),
        'before Christ': outside(first, lastSecond, '0001-01-01'),
        infinity: isInfinite('infinity', '9999-12-31'),
      },
    },
    timestamp: {
      column: 'timestamp(6)',
      read: asTimestamp,
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
      column: 'timestamp(6) with time zone',
      read: `to_char(v, 'YYYY-MM-DD HH24:MI:SS.FF6 TZH:TZM')`,
      outcomes: {
        ordinary: '2024-02-29 12:34:56.123456 +00:00',
        'of another zone': '2024-02-29 18:04:56.123456 +05:30',
        'after 2038': '2100-01-01 00:00:00.000000 +00:00',
        'year 10000': outside(first, last, `${last} +00:00`),
        infinity: isInfinite('infinity', `${last} +00:00`),
      },
    },
    time: {
      column: 'interval day(0) to second(6)',
      read: `to_char(timestamp '2000-01-01 00:00:00' + v, 'HH24:MI:SS.FF6')`,
      outcomes: {
        midnight: '00:00:00.000000',
        '24:00:00': { refused: 'has more than 0 digits of days' },
      },
    },
    timetz: { column: 'varchar2(32 char)' },
    interval: { column: 'varchar2(128 char)' },
    jsonb: {
      column: isJson,
      read: 'to_char(v)',
      outcomes: { 'a JSON null': 'null' },
    },
    'int8[]': { column: isJson, read: 'to_char(v)' },
    'text[]': { column: isJson, read: 'to_char(v)' },
    composite: { column: isJson, read: 'to_char(v)' },
    enum: {
      column: `varchar2(40 char) check (v in ('happy', 'so so'))`,
      outcomes: { 'unknown label': byConstraint },
    },
    inet: { column: 'varchar2(64 char)' },
    'bit(3)': {
      column: 'varchar2(3 char)',
      outcomes: { 'too long': longerThan(3, 'characters', '101') },
    },
    varbit: { column: 'varchar2(64 char)' },
    'xml, ltree, tsvector, money, ranges, hstore': {
      column: 'clob',
      read: asClob,
    },
    'geometry(Point, 4326)': { column: 'clob', read: asClob },
  },
};
