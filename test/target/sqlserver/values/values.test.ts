import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonText } from '../../../../src/mutation/mutation.ts';
import { codecOf } from '../../../../src/target/sqlserver/values/codec.ts';
import {
  columnText,
  rowsParameter,
} from '../../../../src/target/sqlserver/values/values.ts';
import {
  refusingPolicies,
  type ReplacedValue,
  UnstorableValue,
  type ValuePolicy,
} from '../../../../src/target/value-policy.ts';
import { column, tableShape } from '../shapes.ts';
import { textValues } from '../../../../src/target/row-values.ts';

const sent = (type: string, token: string, codePage?: number) =>
  columnText(
    codecOf(column('c', type, codePage === undefined ? {} : { codePage })),
    token as JsonText,
  );

function refusal(type: string, token: string, codePage?: number) {
  try {
    sent(type, token, codePage);
  } catch (error) {
    expect(error).toBeInstanceOf(UnstorableValue);
    const { message, clamped } = error as UnstorableValue;
    return { message, clamped };
  }
  return null;
}

describe('a value is sent to SQL Server', () => {
  test.each([
    ['bit', 'true', '1'],
    ['bit', 'false', '0'],
    ['bit', '"1"', '1'],
    ['tinyint', '255', '255'],
    ['int', '-2147483648', '-2147483648'],
    ['bigint', '9223372036854775807', '9223372036854775807'],
    ['bigint', '"42"', '42'],
    ['int', '1e3', '1000'],
    ['int', '7.0', '7'],
    [
      'decimal(38,10)',
      '1234567890123456789012345678.0123456789',
      '1234567890123456789012345678.0123456789',
    ],
    ['decimal(10,2)', '1.50', '1.50'],
    ['decimal(10,2)', '12E-1', '1.2'],
    ['decimal(10,2)', '1.5000', '1.5000'],
    ['money', '922337203685477.5807', '922337203685477.5807'],
    ['smallmoney', '-214748.3648', '-214748.3648'],
    ['float', '1.7976931348623157e+308', '1.7976931348623157e+308'],
    ['float', '0.1', '0.1'],
    ['real', '0.1', '0.1'],
    ['nvarchar(10)', '"a\\"b\\\\c\\n"', 'a"b\\c\n'],
    ['nvarchar(2)', '"😀"', '😀'],
    ['varchar(10)', '"Grüße"', 'Grüße'],
    ['nvarchar(max)', '{"a": 1.10}', '{"a": 1.10}'],
    ['nvarchar(max)', '[1, 2]', '[1, 2]'],
    ['nvarchar(max)', '12.50', '12.50'],
    ['nvarchar(max)', 'true', 'true'],
    ['char(3)', '"a"', 'a'],
    ['varbinary(4)', '"\\\\x00ff"', '00ff'],
    ['binary(2)', '"\\\\x00ff"', '00ff'],
    ['image', '"\\\\x"', ''],
    [
      'uniqueidentifier',
      '"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"',
      'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
    ],
    [
      'xml',
      '"<?xml version=\\"1.0\\" encoding=\\"utf-8\\"?><a> </a>"',
      '<a> </a>',
    ],
    ['date', '"2024-02-29"', '2024-02-29'],
    ['date', '"2024-02-29T00:00:00Z"', '2024-02-29'],
    ['time(7)', '"12:34:56.1234567"', '12:34:56.1234567'],
    ['time(0)', '"12:34"', '12:34:00'],
    [
      'datetime2(7)',
      '"2024-02-29T12:34:56.123456"',
      '2024-02-29T12:34:56.123456',
    ],
    ['datetime2(3)', '"2024-02-29 12:34:56.120000"', '2024-02-29T12:34:56.12'],
    ['datetime2(3)', '"2024-02-29T12:34:56.12Z"', '2024-02-29T12:34:56.12'],
    ['datetime2(3)', '"2024-02-29"', '2024-02-29T00:00:00'],
    ['datetime', '"2024-02-29T12:34:56.997"', '2024-02-29T12:34:56.997'],
    ['datetime', '"2024-02-29T12:34:56.12"', '2024-02-29T12:34:56.12'],
    ['smalldatetime', '"2024-02-29T12:34:00"', '2024-02-29T12:34:00'],
    [
      'datetimeoffset(7)',
      '"2024-02-29T12:34:56.123456Z"',
      '2024-02-29T12:34:56.123456+00:00',
    ],
    [
      'datetimeoffset(7)',
      '"2024-02-29 12:34:56+05:30"',
      '2024-02-29T12:34:56+05:30',
    ],
    [
      'datetimeoffset(7)',
      '"2024-02-29 12:34:56-03"',
      '2024-02-29T12:34:56-03:00',
    ],
    ['datetimeoffset(7)', '"2024-02-29T12:34:56"', '2024-02-29T12:34:56+00:00'],
    ['geometry', '{"type":"Point","coordinates":[1,2]}', '0;POINT (1 2)'],
    ['geography', '{"type":"Point","coordinates":[1,2]}', '4326;POINT (1 2)'],
    ['geometry', '"SRID=3857;POINT(1 2)"', '3857;POINT (1 2)'],
    ['hierarchyid', '"/1/2/"', '/1/2/'],
    ['int', 'null', null],
    ['sql_variant', 'null', null],
  ])('%s: %s as %s', (type, token, text) => {
    expect(sent(type, token)).toBe(text);
  });

  test('any text as it is, whatever the source escapes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.boolean(),
        (text, escaped) => {
          const token = escaped
            ? `"${Array.from({ length: text.length }, (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')}"`
            : JSON.stringify(text);
          for (const type of ['nvarchar(max)', 'nvarchar(4000)']) {
            expect(sent(type, token)).toBe(text);
          }
          expect(sent('varchar(max)', token, 65_001)).toBe(text);
        },
      ),
    );
  });

  test('any whole or decimal number as the number that it is', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.nat({ max: 10 }),
        (number, scale) => {
          expect(BigInt(sent('bigint', String(number))!)).toBe(number);
          const text = sent('decimal(38,10)', `${number}e-${scale}`)!;
          const [whole, fraction = ''] = text.split('.');
          expect(BigInt(whole + fraction.padEnd(10, '0'))).toBe(
            number * 10n ** BigInt(10 - scale),
          );
        },
      ),
    );
  });

  test('a column that is checked to hold JSON gets the value as JSON', () => {
    const codec = {
      kind: 'json',
      text: codecOf(column('c', 'nvarchar(20)')),
    } as const;
    const text = (token: string) => columnText(codec, token as JsonText);
    expect(text('"a"')).toBe('"a"');
    expect(text('{"a":1}')).toBe('{"a":1}');
    expect(text('{"__crdb_json_null__": true}')).toBe('null');
    expect(() => text(`"${'x'.repeat(30)}"`)).toThrow(UnstorableValue);
  });
});

describe('what SQL Server would change without a word is refused', () => {
  test.each([
    ['bit', '2', null],
    ['bit', '"yes"', null],
    ['tinyint', '256', '255'],
    ['tinyint', '-1', '0'],
    ['smallint', '32768', '32767'],
    ['int', '1.5', '2'],
    ['int', '""', null],
    ['decimal(5,2)', '1.005', '1.01'],
    ['decimal(5,2)', '1000', '999.99'],
    ['decimal(5,2)', '"NaN"', null],
    ['money', '1.00005', '1.0001'],
    ['money', '922337203685477.5808', '922337203685477.5807'],
    ['smallmoney', '-214748.3649', '-214748.3648'],
    ['float', '"Infinity"', null],
    ['float', '1e309', '1.7976931348623157e+308'],
    ['float', '1e-310', '0'],
    ['float', '0.123456789012345678901', '0.12345678901234568'],
    ['real', '0.123456789', '0.12345679'],
    ['nvarchar(3)', '"abcd"', 'abc'],
    ['nvarchar(1)', '"😀"', ''],
    ['char(3)', '"abc "', 'abc'],
    ['varchar(3)', '"Łódź"', null],
    ['text', '"表"', null],
    ['binary(2)', '"\\\\x00"', '\\x0000'],
    ['varbinary(1)', '"\\\\x0011"', '\\x00'],
    ['varbinary(1)', '"abc"', null],
    [
      'uniqueidentifier',
      '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 and more"',
      null,
    ],
    ['date', '"infinity"', '9999-12-31'],
    ['date', '"0044-03-15 BC"', '0001-01-01'],
    ['date', '"2024-02-29T01:00:00"', '2024-02-29'],
    ['date', '""', null],
    ['time(7)', '"24:00:00"', '23:59:59.9999999'],
    ['time(3)', '"12:34:56.1234"', '12:34:56.123'],
    ['datetime2(3)', '"2024-02-29T12:34:56.1234"', '2024-02-29T12:34:56.123'],
    ['datetime2(3)', '"2024-02-29T12:34:56+05:30"', '2024-02-29T07:04:56'],
    ['datetime2(3)', '"12024-02-29T12:34:56"', '9999-12-31T23:59:59.999'],
    ['datetime', '"2024-02-29T12:34:56.124"', '2024-02-29T12:34:56.123'],
    ['datetime', '"1752-12-31T00:00:00"', '1753-01-01T00:00:00'],
    ['smalldatetime', '"2024-02-29T12:34:56"', '2024-02-29T12:34:00'],
    ['datetimeoffset(7)', '"2024-02-29T12:34:56+01:02:03"', null],
    ['datetimeoffset(7)', '"-infinity"', '0001-01-01 00:00:00'],
    ['geometry', '"nonsense"', null],
    ['sql_variant', '1', null],
  ])('%s: %s, next to %s', (type, token, clamped) => {
    expect(refusal(type, token)).toMatchObject({ clamped });
  });

  test('half of a surrogate pair', () => {
    expect(refusal('nvarchar(9)', '"\\ud800"')).not.toBeNull();
    expect(refusal('varchar(9)', '"\\ud800"', 65_001)).not.toBeNull();
  });
});

describe('the parameter of a statement', () => {
  const table = tableShape('item', [
    column('id', 'bigint', { keyOrdinal: 0 }),
    column('name', 'varchar(5)'),
    column('at', 'datetime'),
  ]);
  const parameter = (
    policy: ValuePolicy,
    values: readonly (readonly string[])[],
    replaced: ReplacedValue[] = [],
  ) =>
    rowsParameter(
      {
        table,
        columns: table.columns,
        values: textValues(
          values as readonly (readonly JsonText[])[],
          values[0]!.length,
        ),
        rowCount: values[0]!.length,
      },
      {
        policyOf: () => policy,
        onReplaced: (value) => replaced.push(value),
      },
    );

  test('is an array of rows, every value a text or null', () => {
    expect(
      JSON.parse(
        parameter('error', [
          ['1', '2'],
          ['"a\\"\\u0062"', 'null'],
          ['"2024-01-01T00:00:00"', 'null'],
        ]),
      ),
    ).toEqual([
      ['1', 'a"b', '2024-01-01T00:00:00'],
      ['2', null, null],
    ]);
  });

  test('refuses a row by table, column and key, and not by its value', () => {
    expect(() =>
      parameter('error', [
        ['1', '2'],
        ['"a"', '"secret"'],
        ['null', 'null'],
      ]),
    ).toThrow(
      expect.objectContaining({
        code: 'E4006',
        message: expect.stringMatching(
          /^column "name" of table shop\.dbo\.item, row \[2\]: the value (?!.*secret)/,
        ),
      }),
    );
  });

  test('holds null, or the nearest value, where the policy says so, and tells of it', () => {
    const values = [['1'], ['"abcdefg"'], ['"2024-01-01T00:00:00.0018"']];
    const replaced: ReplacedValue[] = [];
    expect(JSON.parse(parameter('clamp', values, replaced))).toEqual([
      ['1', 'abcde', '2024-01-01T00:00:00'],
    ]);
    expect(JSON.parse(parameter('null', values, replaced))).toEqual([
      ['1', null, null],
    ]);
    expect(
      replaced.map(({ column: { name }, key, policy }) => [name, key, policy]),
    ).toEqual([
      ['name', '[1]', 'clamp'],
      ['at', '[1]', 'clamp'],
      ['name', '[1]', 'null'],
      ['at', '[1]', 'null'],
    ]);
  });

  test('never replaces a key', () => {
    for (const policy of ['null', 'clamp'] as const) {
      expect(() =>
        parameter(policy, [['9223372036854775808'], ['null'], ['null']]),
      ).toThrow(expect.objectContaining({ code: 'E4006' }));
    }
    expect(refusingPolicies.policyOf(table, table.columns[0]!)).toBe('error');
  });
});
