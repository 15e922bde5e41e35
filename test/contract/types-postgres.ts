import type { EngineTypes } from './types.ts';
import {
  decimalOutcomes,
  floatOutcomes,
  fractionTooLong,
  integerOutcomes,
  longerThan,
} from './types-outcomes.ts';

const asJson = `to_json(v) #>> '{}'`;

export const postgresTypes: EngineTypes = {
  name: 'PostgreSQL',
  key: 'int8',
  setup: [
    `create type mood as enum ('happy', 'so so')`,
    'create type pair as (n int8, t text)',
  ],
  cells: {
    bool: { column: 'boolean', read: asJson },
    int2: { column: 'smallint', outcomes: integerOutcomes.int2 },
    int4: { column: 'integer', outcomes: integerOutcomes.int4 },
    int8: { column: 'bigint', outcomes: integerOutcomes.int8 },
    'numeric(20,4)': { column: 'numeric(20,4)', outcomes: decimalOutcomes },
    numeric: { column: 'numeric' },
    float4: { column: 'real', outcomes: floatOutcomes(32, '1.6777216e+07') },
    float8: {
      column: 'double precision',
      outcomes: floatOutcomes(64, '1.2345678901234567e+19'),
    },
    text: {
      column: 'text',
      outcomes: {
        'U+0000': { refused: 'holds the character U+0000', clamp: 'ab' },
      },
    },
    'varchar(10)': {
      column: 'varchar(10)',
      outcomes: {
        'too long': longerThan(10, 'characters', '1234567890'),
        'too long by blanks': longerThan(10, 'characters', '1234567890'),
      },
    },
    'char(10)': {
      column: 'char(10)',
      outcomes: {
        short: 'ab        ',
        'too long': longerThan(10, 'characters', '1234567890'),
      },
    },
    bytea: { column: 'bytea' },
    uuid: { column: 'uuid' },
    date: { column: 'date' },
    timestamp: {
      column: 'timestamp',
      read: asJson,
      outcomes: {
        'nine digits of a second': fractionTooLong(
          '2024-02-29T12:34:56.123457',
        ),
      },
    },
    timestamptz: {
      column: 'timestamptz',
      outcomes: {
        ordinary: '2024-02-29 12:34:56.123456+00',
        'of another zone': '2024-02-29 12:34:56.123456+00',
        'after 2038': '2100-01-01 00:00:00+00',
        'year 10000': '10000-01-01 00:00:00+00',
      },
    },
    time: { column: 'time' },
    timetz: { column: 'timetz' },
    interval: { column: 'interval' },
    jsonb: {
      column: 'jsonb',
      outcomes: {
        object: '{"a": [9007199254740993, null, "é\\n"], "b": 1.0}',
        'a JSON null': 'null',
      },
    },
    'int8[]': { column: 'bigint[]', read: asJson },
    'text[]': { column: 'text[]', read: asJson },
    composite: {
      column: 'pair',
      shown: 'a type with the same fields',
      read: asJson,
    },
    enum: {
      column: 'mood',
      shown: 'an enum',
      outcomes: {
        'unknown label': { refused: 'is not among the labels of the column' },
      },
    },
    inet: { column: 'inet' },
    'bit(3)': {
      column: 'bit(3)',
      outcomes: {
        'too long': { refused: 'has more than 3 bits', clamp: '101' },
      },
    },
    varbit: { column: 'varbit' },
    'xml, ltree, tsvector, money, ranges, hstore': {
      column: 'xml',
      shown: 'the same type',
    },
    'geometry(Point, 4326)': null,
  },
};
