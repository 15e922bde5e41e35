import { describe, expect, test } from 'vitest';
import type { JsonText } from '../../../../src/mutation/mutation.ts';
import type { OracleCodec } from '../../../../src/target/oracle/values/codec.ts';
import { valueWriter } from '../../../../src/target/oracle/values/values.ts';
import { UnstorableValue } from '../../../../src/target/value-policy.ts';
import type { ColumnShape } from '../../../../src/target/target.ts';
import { column, number, text } from '../shapes.ts';

const decimal = (precision: number, scale: number): OracleCodec => ({
  kind: 'decimal',
  precision,
  scale,
});
const timestamp = (fractionDigits: number, hasZone = false): OracleCodec => ({
  kind: 'timestamp',
  fractionDigits,
  hasZone,
});
const daySecond = (dayDigits: number, fractionDigits: number): OracleCodec => ({
  kind: 'day-second',
  dayDigits,
  fractionDigits,
});
const double: OracleCodec = { kind: 'float', bits: 64 };
const float: OracleCodec = { kind: 'float', bits: 32 };
const date: OracleCodec = { kind: 'date' };
const yearMonth: OracleCodec = { kind: 'year-month', yearDigits: 2 };
const uuid: OracleCodec = { kind: 'raw', maxBytes: 16 };
const blob: OracleCodec = { kind: 'blob' };
const boolean: OracleCodec = { kind: 'boolean' };
const clob: OracleCodec = {
  kind: 'clob',
  isNational: false,
  characterSet: 'unicode',
};
const json = (carrier: 'json' | 'clob' | 'blob' | 'text'): OracleCodec => ({
  kind: 'json',
  carrier,
  characterSet: 'unicode',
});
const yesNo = text(1, { booleans: ['Y', 'N'] });

function written(
  codec: OracleCodec,
  token: string,
  {
    emptyString = 'error',
    ...more
  }: Partial<ColumnShape> & { emptyString?: 'error' | 'space' } = {},
): { value: unknown; mode: string } {
  const writer = valueWriter(column('C', codec, more), emptyString);
  return writer.bound(writer.text(token as JsonText));
}

function refusal(
  codec: OracleCodec,
  token: string,
  more: Partial<ColumnShape> & { emptyString?: 'error' | 'space' } = {},
): UnstorableValue {
  try {
    written(codec, token, more);
  } catch (error) {
    expect(error).toBeInstanceOf(UnstorableValue);
    return error as UnstorableValue;
  }
  throw new Error(`${token} was taken`);
}

describe('a value of Oracle is bound as', () => {
  test.each<[string, OracleCodec, string, string | number | null]>([
    [
      'digits as they came',
      number,
      '12345678901234567890.5',
      '12345678901234567890.5',
    ],
    ['digits of a text', number, '"-0.10"', '-0.10'],
    ['digits without exponent', number, '1.5e+20', '150000000000000000000'],
    ['a small one too', number, '1.5E-7', '0.00000015'],
    ['zero', decimal(5, 2), '-0.000', '-0.000'],
    ['all digits of a column', decimal(5, 2), '999.99', '999.99'],
    ['a negative scale', decimal(3, -2), '12300', '12300'],
    ['one for true', decimal(1, 0), 'true', '1'],
    ['zero for false', number, 'false', '0'],
    ['null', number, 'null', null],
    [
      'the double that it is',
      double,
      '0.30000000000000004',
      0.30000000000000004,
    ],
    [
      'the largest double',
      double,
      '1.7976931348623157e+308',
      1.7976931348623157e308,
    ],
    ['NaN', double, '"NaN"', Number.NaN],
    ['infinity', float, '"-Infinity"', Number.NEGATIVE_INFINITY],
    ['a short float', float, '0.1', 0.1],
    ['a word for a boolean', boolean, 'true', 'true'],
    ['text', text(5), '"a\\u00e4\\"\\n"', 'aä"\n'],
    ['the digits of a number', text(5), '1.50', '1.50'],
    ['what the check constraint says', yesNo, 'true', 'Y'],
    ['the same for false', yesNo, 'false', 'N'],
    ['true in a text of any length', text(5), 'false', 'false'],
    ['an object in a text', text(20), '{"a": 1}', '{"a": 1}'],
    ['null for an empty text', text(5), '""', null],
    ['characters, not bytes', text(3), '"äöü"', 'äöü'],
    ['one character beyond the plane', text(1), '"😀"', '😀'],
    ["the column's own blanks", text(5, { isPadded: true }), '"ab"', 'ab   '],
    [
      'blanks to the byte',
      text(5, { isPadded: true, unit: 'bytes', maxBytes: 5 }),
      '"ä"',
      'ä   ',
    ],
    ['a marked CLOB', clob, '"text"', 'xtext'],
    ['an empty CLOB, which is not null', clob, '""', 'x'],
    ['a null CLOB', clob, 'null', null],
    ['a JSON in a CLOB without IS JSON', clob, '[1, 2]', 'x[1, 2]'],
    ['marked hex', blob, '"\\\\x00fF"', 'x00fF'],
    ['an empty BLOB, which is not null', blob, '"\\\\x"', 'x'],
    ['JSON as it came', json('json'), '{"a": 1.50}', '{"a": 1.50}'],
    ['a JSON text with its quotes', json('clob'), '"a"', '"a"'],
    ['JSON as bytes', json('blob'), '"ä"', '22c3a422'],
    ['JSON null', json('text'), '{"__crdb_json_null__": true}', 'null'],
    ['SQL null', json('json'), 'null', null],
    [
      'hex of a uuid',
      uuid,
      '"00112233-4455-6677-8899-aabbccddeeff"',
      '00112233445566778899aabbccddeeff',
    ],
    ['hex of bytes', uuid, '"\\\\x0a"', '0a'],
    ['null for no bytes', uuid, '"\\\\x"', null],
    ['a date at midnight', date, '"2024-02-29"', '2024-02-29 00:00:00'],
    [
      'a date with its time',
      date,
      '"2024-02-29T23:59:59Z"',
      '2024-02-29 23:59:59',
    ],
    ['the first day', date, '"0001-01-01"', '0001-01-01 00:00:00'],
    ['the last day', date, '"9999-12-31"', '9999-12-31 00:00:00'],
    [
      'a fraction of zeros',
      date,
      '"2024-01-01 00:00:00.000"',
      '2024-01-01 00:00:00',
    ],
    [
      'nine digits of fraction',
      timestamp(6),
      '"2024-01-01T01:02:03.000004Z"',
      '2024-01-01 01:02:03.000004000',
    ],
    [
      'a timestamp from a date',
      timestamp(0),
      '"2024-01-01"',
      '2024-01-01 00:00:00.000000000',
    ],
    [
      'UTC',
      timestamp(6, true),
      '"2024-01-01T01:02:03.5Z"',
      '2024-01-01 01:02:03.500000000 +00:00',
    ],
    [
      'its zone',
      timestamp(6, true),
      '"2024-01-01 01:02:03+05:30"',
      '2024-01-01 01:02:03.000000000 +05:30',
    ],
    [
      'a short zone',
      timestamp(6, true),
      '"2024-01-01 01:02:03-12"',
      '2024-01-01 01:02:03.000000000 -12:00',
    ],
    ['years and months', yearMonth, '"1 year 14 mons"', '+2-02'],
    ['a negative interval', yearMonth, '"-14 mons"', '-1-02'],
    ['months of ISO 8601', yearMonth, '"P1Y2M"', '+1-02'],
    [
      'days and time',
      daySecond(2, 6),
      '"3 days 04:05:06.789"',
      '+3 04:05:06.789000000',
    ],
    [
      'days beside a negative time',
      daySecond(2, 6),
      '"1 day -01:00:00"',
      '+0 23:00:00.000000000',
    ],
    [
      'a negative fraction',
      daySecond(2, 6),
      '"-00:00:00.5"',
      '-0 00:00:00.500000000',
    ],
    [
      'a time of day',
      daySecond(0, 6),
      '"12:34:56.789"',
      '+0 12:34:56.789000000',
    ],
    [
      'days of ISO 8601',
      daySecond(2, 6),
      '"P1DT2H3M4.5S"',
      '+1 02:03:04.500000000',
    ],
    [
      'null in a column of any type',
      { kind: 'unsupported', typeName: 'BFILE' },
      'null',
      null,
    ],
  ])('%s', (_, codec, token, value) => {
    expect(written(codec, token)).toEqual({ value, mode: 'inline' });
  });

  test.each<[string, OracleCodec, string, unknown]>([
    ['a CLOB', clob, JSON.stringify('ä'.repeat(2000)), 'ä'.repeat(2000)],
    [
      'a BLOB',
      blob,
      JSON.stringify(`\\x${'00'.repeat(2000)}`),
      Buffer.alloc(2000),
    ],
    [
      'a JSON',
      json('json'),
      `[${'1,'.repeat(2000)}1]`,
      `[${'1,'.repeat(2000)}1]`,
    ],
    [
      'an NVARCHAR2',
      text(2000, { isNational: true, unit: 'utf16' }),
      JSON.stringify('表'.repeat(2000)),
      '表'.repeat(2000),
    ],
  ])(
    'a LOB, when it is longer than VARCHAR2 can be: %s',
    (_, codec, token, value) => {
      expect(written(codec, token)).toEqual({ value, mode: 'lob' });
    },
  );

  test('an extended VARCHAR2, where the column proves that there is one', () => {
    const long = 'a'.repeat(20_000);
    expect(
      written(text(32_767, { maxBytes: 32_767 }), JSON.stringify(long)),
    ).toEqual({ value: long, mode: 'inline' });
  });

  test('a blank for an empty text that may not be null, where that is wanted', () => {
    expect(
      written(text(5), '""', { nullable: false, emptyString: 'space' }).value,
    ).toBe(' ');
  });
});

describe('a value that Oracle would change in silence is refused:', () => {
  test.each<[string, OracleCodec, string, string | null]>([
    ['is not a finite decimal number', number, '"NaN"', null],
    [
      'has more than 38 significant digits',
      number,
      `1${'0'.repeat(37)}.5`,
      `1${'0'.repeat(36)}1`,
    ],
    ['has digits beyond the scale of 2', decimal(5, 2), '1.005', '1.01'],
    [
      'has more than 3 digits before the point',
      decimal(5, 2),
      '1000',
      '999.99',
    ],
    ['is too near to zero', number, '1e-129', '0'],
    [
      'would be rounded by a float of 32 bits',
      float,
      '0.12345678901',
      '0.12345679',
    ],
    [
      'is outside what a float of 64 bits holds',
      double,
      '1e400',
      '1.7976931348623157e+308',
    ],
    ['is longer than 3 characters', text(3), '"äöüx"', 'äöü'],
    [
      'is longer than 4000 bytes',
      text(4000),
      JSON.stringify('ä'.repeat(2001)),
      'ä'.repeat(2000),
    ],
    ['holds half of a surrogate pair', text(9), String.raw`"\ud800"`, null],
    [
      'has characters that the character set',
      text(9, { characterSet: 'latin1' }),
      '"€"',
      null,
    ],
    [
      'has characters that the character set',
      { ...clob, characterSet: 'ascii' } as OracleCodec,
      '"ä"',
      null,
    ],
    ['is a boolean, and no check constraint', text(1), 'true', null],
    ['is a boolean', date, 'true', null],
    ['is an object or an array', number, '[1]', null],
    [String.raw`is not of the form \x00ff`, blob, '"text"', null],
    ['is neither a uuid nor', uuid, '"0011"', null],
    ['is longer than 16 bytes', uuid, `"\\\\x${'00'.repeat(17)}"`, null],
    ['is infinity', date, '"infinity"', '9999-12-31 23:59:59'],
    ['is outside 0001-01-01', date, '"0044-03-15 BC"', '0001-01-01 00:00:00'],
    [
      'is outside 0001-01-01',
      timestamp(6),
      '"10000-01-01 00:00:00"',
      '9999-12-31 23:59:59.999999',
    ],
    [
      'has more than 0 digits in the fraction',
      date,
      '"2024-01-01 00:00:00.6"',
      '2024-01-01 00:00:01',
    ],
    [
      'has more than 3 digits in the fraction',
      timestamp(3),
      '"2024-01-01T00:00:00.1239Z"',
      '2024-01-01T00:00:00.124',
    ],
    [
      'has a zone, which the column would drop',
      timestamp(6),
      '"2024-01-01 00:00:00+02"',
      '2023-12-31 22:00:00',
    ],
    [
      'is at 24:00:00',
      timestamp(6),
      '"2024-01-01 24:00:00"',
      '2024-01-02 00:00:00',
    ],
    ['is one of the ten days', date, '"1582-10-10"', null],
    [
      'has a zone that Oracle does not have',
      timestamp(6, true),
      '"2024-01-01 00:00:00+15:30"',
      null,
    ],
    ['has days or a time', yearMonth, '"1 year 1 day"', null],
    ['has more than 2 digits of years', yearMonth, '"100 years"', null],
    ['has years or months', daySecond(2, 6), '"1 mon 00:00:01"', null],
    ['has more than 2 digits of days', daySecond(2, 6), '"100 days"', null],
    [
      'has more than 3 digits in the fraction',
      daySecond(2, 3),
      '"00:00:00.0001"',
      null,
    ],
    ['is neither an interval nor', daySecond(2, 6), '"12:00:00+02"', null],
    [
      'is for a column of the type SDO_GEOMETRY',
      { kind: 'unsupported', typeName: 'SDO_GEOMETRY' },
      '{}',
      null,
    ],
    [
      'is null, which the column replaces',
      { ...number, replacesNull: true },
      'null',
      null,
    ],
  ])('%s', (reason, codec, token, clamped) => {
    const refused = refusal(codec, token);
    expect(refused.message).toContain(reason);
    expect(refused.clamped).toBe(clamped);
  });

  test('an empty text that may not be null', () => {
    const refused = refusal(text(5), '""', { nullable: false });
    expect(refused.message).toContain('is empty');
    expect(refused.clamped).toBe(' ');
  });

  test('an empty text in a key, whatever is wanted elsewhere', () => {
    expect(
      refusal(text(5), '""', {
        nullable: false,
        keyOrdinal: 0,
        emptyString: 'space',
      }).message,
    ).toContain('is empty');
  });
});
