/**
 * The values of each source type that a target column is most likely to have
 * no room for, as a changefeed writes them. What holds for them holds for the
 * ordinary ones in between.
 */
import { jsonToken } from '../../mutation/json-text.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import type { SourceColumn } from './source-columns.ts';

export interface Extreme {
  /** For the message: `the largest int8`. */
  readonly what: string;
  readonly token: JsonText;
}

/** Null: the type is not known here, and nothing is said of it. */
export function extremesOf(column: SourceColumn): Extreme[] | null {
  if (column.labels) {
    return column.labels.map((label) => text(`the label ${label}`, label));
  }
  if (column.base.startsWith('_')) {
    return [json('an array', '["a","b"]')];
  }
  return extremesByType[column.base]?.(column) ?? null;
}

const extremesByType: Readonly<
  Record<string, (column: SourceColumn) => Extreme[]>
> = {
  bool: () => [json('true', 'true'), json('false', 'false')],
  int2: () => integers('-32768', '32767'),
  int4: () => integers('-2147483648', '2147483647'),
  int8: () => integers('-9223372036854775808', '9223372036854775807'),
  oid: () => [json('the largest oid', '4294967295')],
  numeric: ({ typmod }) => decimals(typmod),
  float4: () => floats('3.4028235e+38', '1.1754944e-38'),
  float8: () => [
    ...floats('1.7976931348623157e+308', '2.2250738585072014e-308'),
    json('a float8 of 17 digits', '0.30000000000000004'),
  ],
  text: () => texts(100_000, 'a text of 100000 characters'),
  varchar: ({ typmod }) =>
    typmod < 0
      ? texts(100_000, 'a text of 100000 characters')
      : texts(typmod - 4, `a text of ${typmod - 4} characters`),
  bpchar: ({ typmod }) => [
    text(`a text of ${typmod - 4} characters`, '🦀'.repeat(typmod - 4)),
  ],
  citext: () => texts(100_000, 'a text of 100000 characters'),
  bytea: () => [text('bytes, 100000 of them', `\\x${'00'.repeat(100_000)}`)],
  uuid: () => [text('a uuid', '00000000-0000-4000-8000-00000000000a')],
  date: () => [
    text('the first day', '4713-01-01 BC'),
    text('the last day', '5874897-12-31'),
    ...infinities(),
  ],
  timestamp: () => instants(''),
  timestamptz: () => instants('Z'),
  time: () => [
    text('24:00:00', '24:00:00'),
    text('a time with microseconds', '23:59:59.999999'),
  ],
  timetz: () => [text('a time with a zone', '23:59:59.999999+15:59')],
  interval: () => [
    text(
      'an interval of months, days and microseconds',
      'P1Y2M3DT4H5M6.000007S',
    ),
  ],
  json: documents,
  jsonb: documents,
  inet: () => [text('an inet', '2001:db8::1/64')],
  bit: ({ typmod }) => [
    text(`${Math.max(typmod, 1)} bits`, '1'.repeat(Math.max(typmod, 1))),
  ],
  varbit: ({ typmod }) => [
    text('bits', '1'.repeat(typmod < 0 ? 1_000 : typmod)),
  ],
  geometry: () => [
    json('a geometry', '{"type":"Point","coordinates":[1.5,2.5]}'),
  ],
  geography: () => [
    json('a geography', '{"type":"Point","coordinates":[1.5,2.5]}'),
  ],
};

function json(what: string, token: string): Extreme {
  return { what, token: token as JsonText };
}

function text(what: string, value: string): Extreme {
  return { what, token: jsonToken(value) };
}

function integers(min: string, max: string): Extreme[] {
  return [json(`${min}`, min), json(`${max}`, max)];
}

/** PostgreSQL packs precision and scale as `(p << 16 | s) + 4`. */
function decimals(typmod: number): Extreme[] {
  if (typmod < 0) {
    return [
      json('a number of 60 digits', '9'.repeat(60)),
      json('a number with 40 decimals', `0.${'0'.repeat(39)}1`),
      text('NaN', 'NaN'),
      text('Infinity', 'Infinity'),
    ];
  }
  const precision = ((typmod - 4) >> 16) & 0xffff;
  const scale = (typmod - 4) & 0x7ff;
  const whole = '9'.repeat(precision - scale) || '0';
  const largest = scale === 0 ? whole : `${whole}.${'9'.repeat(scale)}`;
  const step =
    scale === 0
      ? []
      : [
          json(
            `a number with ${scale} decimals`,
            `0.${'0'.repeat(scale - 1)}1`,
          ),
        ];
  return [json('the largest number', largest), ...step, text('NaN', 'NaN')];
}

function floats(largest: string, smallest: string): Extreme[] {
  return [
    json('the largest float', largest),
    json('the smallest float', smallest),
    text('NaN', 'NaN'),
    text('Infinity', 'Infinity'),
  ];
}

function texts(characterCount: number, what: string): Extreme[] {
  return [
    text(what, 'a'.repeat(characterCount)),
    text(`${what} beyond ASCII`, 'ä'.repeat(characterCount)),
    text(`${what} beyond the basic plane`, '🦀'.repeat(characterCount)),
    text('an empty text', ''),
  ];
}

function instants(zone: string): Extreme[] {
  return [
    text('a time with microseconds', `2024-02-29T23:59:59.999999${zone}`),
    text('a time before 1970', `1969-12-31T23:59:59${zone}`),
    text('a time after 2038', `2040-01-01T00:00:00${zone}`),
    text('a time before 1000', `0999-12-31T23:59:59${zone}`),
    text('a time before Christ', `0044-03-15T12:00:00${zone} BC`),
    text('a time after 9999', `10000-01-01T00:00:00${zone}`),
    ...infinities(),
  ];
}

function infinities(): Extreme[] {
  return [text('infinity', 'infinity'), text('-infinity', '-infinity')];
}

function documents(): Extreme[] {
  return [
    json('a JSON object', '{"b":1,"a":[1.0,1e400,null]}'),
    json('a JSON null', '{"__crdb_json_null__":true}'),
  ];
}
