/**
 * What CockroachDB and PostgreSQL hold, type by type, as it stands in the
 * body of a changefeed: ordinary values, and those at which targets differ.
 */

/** By what the value is: the JSON of it. */
export type SourceValues = Readonly<Record<string, string>>;

/** Of text-like JSON: as a string token. */
const quoted = (text: string): string => JSON.stringify(text);

const texts = {
  ordinary: quoted('é€😀"\\\n'),
  empty: quoted(''),
  'trailing blanks': quoted('a  '),
} as const;

export const sourceTypes = {
  bool: { true: 'true', false: 'false' },
  int2: { smallest: '-32768', largest: '32767', 'too large': '32768' },
  int4: {
    smallest: '-2147483648',
    largest: '2147483647',
    'too large': '2147483648',
  },
  int8: {
    smallest: '-9223372036854775808',
    largest: '9223372036854775807',
    'too large': '9223372036854775808',
  },
  'numeric(20,4)': {
    longest: '-1234567890123456.7891',
    'zeros at the end': '1.5000',
    'more digits than the scale': '0.00005',
    'too large': '12345678901234567',
    NaN: quoted('NaN'),
  },
  numeric: {
    '38 digits': '-1234567890123456789012345678.0123456789',
    '40 digits': '12345678901234567890123456789012345678.12',
    NaN: quoted('NaN'),
    Infinity: quoted('Infinity'),
  },
  float4: {
    ordinary: '1.1',
    largest: '3.4028235e+38',
    'more digits than it holds': '16777217',
    NaN: quoted('NaN'),
  },
  float8: {
    ordinary: '0.1',
    largest: '1.7976931348623157e+308',
    smallest: '5e-324',
    'more digits than it holds': '12345678901234567890',
    NaN: quoted('NaN'),
    Infinity: quoted('-Infinity'),
  },
  text: { ...texts, 'U+0000': '"a\\u0000b"' },
  'varchar(10)': {
    ...texts,
    'of the full length': quoted('😀'.repeat(10)),
    'too long': quoted('12345678901'),
    'too long by blanks': quoted('1234567890 '),
  },
  'char(10)': {
    ordinary: quoted('1234567890'),
    short: quoted('ab'),
    'too long': quoted('12345678901'),
  },
  bytea: { ordinary: quoted('\\x00ff0a5c22'), empty: quoted('\\x') },
  uuid: { ordinary: quoted('f47ac10b-58cc-4372-a567-0e02b2c3d479') },
  date: {
    ordinary: quoted('2024-02-29'),
    'year 1': quoted('0001-01-01'),
    'year 9999': quoted('9999-12-31'),
    'year 10000': quoted('10000-01-01'),
    'before Christ': quoted('0044-03-15 BC'),
    infinity: quoted('infinity'),
  },
  timestamp: {
    ordinary: quoted('2024-02-29T12:34:56.123456'),
    'year 1': quoted('0001-01-01T00:00:00'),
    'year 9999': quoted('9999-12-31T23:59:59.999999'),
    'year 10000': quoted('10000-01-01T00:00:00'),
    'before Christ': quoted('0044-03-15T12:00:00 BC'),
    infinity: quoted('-infinity'),
    'nine digits of a second': quoted('2024-02-29T12:34:56.123456789'),
  },
  timestamptz: {
    ordinary: quoted('2024-02-29T12:34:56.123456Z'),
    'of another zone': quoted('2024-02-29T18:04:56.123456+05:30'),
    'after 2038': quoted('2100-01-01T00:00:00Z'),
    'year 10000': quoted('10000-01-01T00:00:00Z'),
    infinity: quoted('infinity'),
  },
  time: {
    ordinary: quoted('12:34:56.123456'),
    midnight: quoted('00:00:00'),
    '24:00:00': quoted('24:00:00'),
  },
  timetz: { ordinary: quoted('12:34:56.123456+05:30') },
  interval: {
    ordinary: quoted('1 year 2 mons -3 days +04:05:06.789'),
    'of hours': quoted('1000:00:00'),
  },
  jsonb: {
    object: '{"b": 1.0, "a": [9007199254740993, null, "é\\n"]}',
    text: '"text"',
    'a JSON null': '{"__crdb_json_null__": true}',
    'numbers beyond a double': '{"n": 0.1234567890123456789}',
  },
  'int8[]': { ordinary: '[9223372036854775807,null]', empty: '[]' },
  'text[]': { ordinary: '["a\\"b","c,d",null]' },
  composite: { ordinary: '{"n":1,"t":"a,\\"b\\""}' },
  enum: { ordinary: quoted('so so'), 'unknown label': quoted('new') },
  inet: { ordinary: quoted('10.0.0.1/8') },
  'bit(3)': { ordinary: quoted('101'), 'too long': quoted('1011') },
  varbit: { ordinary: quoted('10101010101') },
  'xml, ltree, tsvector, money, ranges, hstore': {
    ordinary: quoted('<a b="c">d</a>'),
  },
  'geometry(Point, 4326)': {
    ordinary: '{"type": "Point", "coordinates": [9.5, 47.25]}',
  },
} as const satisfies Readonly<Record<string, SourceValues>>;

export type SourceType = keyof typeof sourceTypes;
