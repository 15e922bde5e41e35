import { describe, expect, test } from 'vitest';
import { applyTo, failureOf, row } from '../../../contract/target-fixture.ts';
import {
  hasServer,
  isBabelfish,
  type SqlServerFixture,
  sqlserverFixture,
} from '../fixture.ts';

/** Type, JSON of the source, text that is read back. */
type Cell = readonly [type: string, token: string, stored: string];

const cells: readonly Cell[] = [
  ['bit', 'true', '1'],
  ['tinyint', '255', '255'],
  ['smallint', '-32768', '-32768'],
  ['int', '2147483647', '2147483647'],
  ['bigint', '-9223372036854775808', '-9223372036854775808'],
  [
    'decimal(38,10)',
    '1234567890123456789012345678.0123456789',
    '1234567890123456789012345678.0123456789',
  ],
  [
    'decimal(38,0)',
    '-99999999999999999999999999999999999999',
    '-99999999999999999999999999999999999999',
  ],
  [
    'decimal(28,10)',
    '123456789012345678.0123456789',
    '123456789012345678.0123456789',
  ],
  ['numeric(5,2)', '1e2', '100.00'],
  ['money', '-922337203685477.5808', '-922337203685477.5808'],
  ['smallmoney', '214748.3647', '214748.3647'],
  ['float', '1.7976931348623157e+308', '1.7976931348623157e+308'],
  ['float', '0.1', '0.1'],
  ['float', '-2.2250738585072014e-308', '-2.2250738585072014e-308'],
  ['real', '3.4028235e+38', '3.4028235e+38'],
  ['varchar(20)', '"Grüße €"', 'Grüße €'],
  ['varchar(max)', '"x"', 'x'],
  ['char(3)', '"ab"', 'ab '],
  ['nchar(3)', '"ä"', 'ä  '],
  ['nvarchar(20)', '"表 ä \' ; --"', "表 ä ' ; --"],
  ['nvarchar(2)', '"😀"', '😀'],
  ['nvarchar(max)', '""', ''],
  ['nvarchar(max)', '"  blanks  "', '  blanks  '],
  ['nvarchar(max)', '"2024-01-01T00:00:00"', '2024-01-01T00:00:00'],
  ['nvarchar(max)', '"123"', '123'],
  ['varbinary(10)', '"\\\\x00ff7f"', '0x00ff7f'],
  ['varbinary(max)', '"\\\\x"', '0x'],
  ['binary(2)', '"\\\\x00ff"', '0x00ff'],
  [
    'uniqueidentifier',
    '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"',
    'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
  ],
  ['date', '"0001-01-01"', '0001-01-01'],
  ['date', '"9999-12-31"', '9999-12-31'],
  ['date', '"1582-10-10"', '1582-10-10'],
  ['time(6)', '"23:59:59.999999"', '23:59:59.999999'],
  [
    'datetime2(6)',
    '"2024-02-29T12:34:56.123456"',
    '2024-02-29 12:34:56.123456',
  ],
  ['datetime2(0)', '"0001-01-01T00:00:00"', '0001-01-01 00:00:00'],
  ['datetime', '"1753-01-01T00:00:00"', '1753-01-01 00:00:00.000'],
  ['datetime', '"2024-02-29T12:34:56.997"', '2024-02-29 12:34:56.997'],
  ['datetime', '"2024-02-29T12:34:56.123"', '2024-02-29 12:34:56.123'],
  ['smalldatetime', '"2079-06-06T23:59:00"', '2079-06-06 23:59:00'],
  [
    'datetimeoffset(6)',
    '"2024-02-29T12:34:56.123456Z"',
    '2024-02-29 12:34:56.123456 +00:00',
  ],
  [
    'datetimeoffset(6)',
    '"2024-02-29T12:34:56.123456-05:30"',
    '2024-02-29 12:34:56.123456 -05:30',
  ],
  [
    'datetimeoffset(6)',
    '"1883-11-18T12:03:58.5"',
    isBabelfish
      ? '1883-11-18 12:03:58.5 +00:00'
      : '1883-11-18 12:03:58.500000 +00:00',
  ],
];

const onSqlServerOnly: readonly Cell[] = [
  ['nvarchar(max)', '"a\\"b\\\\c\\n\\t\\u0001"', 'a"b\\c\n\t\u0001'],
  ['nvarchar(max)', '{"a": [1.10, "x"]}', '{"a": [1.10, "x"]}'],
  ['text', '"Grüße"', 'Grüße'],
  ['ntext', '"表"', '表'],
  ['nchar(3)', '"表"', '表  '],
  ['image', '"\\\\x00ff"', '0x00ff'],
  [
    'xml',
    '"<?xml version=\\"1.0\\" encoding=\\"utf-8\\"?><a> <b>ä</b> </a>"',
    '<a> <b>ä</b> </a>',
  ],
  ['time(7)', '"23:59:59.9999999"', '23:59:59.9999999'],
  [
    'datetime2(7)',
    '"9999-12-31T23:59:59.9999999"',
    '9999-12-31 23:59:59.9999999',
  ],
  [
    'datetimeoffset(7)',
    '"2024-02-29T12:34:56.1234567+14:00"',
    '2024-02-29 12:34:56.1234567 +14:00',
  ],
  ['hierarchyid', '"/1/2/"', '/1/2/'],
  ['geometry', '{"type":"Point","coordinates":[1.5,2]}', '0;POINT (1.5 2)'],
  ['geometry', '"SRID=3857;POINT Z (1 2 3)"', '3857;POINT (1 2 3)'],
  ['geography', '{"type":"Point","coordinates":[1.5,2]}', '4326;POINT (1.5 2)'],
  ['varchar(10) collate Latin1_General_100_BIN2_UTF8', '"表ä"', '表ä'],
  ['varchar(10) collate Cyrillic_General_CI_AS', '"Привет"', 'Привет'],
];

/** How a column of the type is read back as text. */
function readBack(type: string): string {
  if (/^(?:float|real)/.test(type)) {
    return 'convert(varchar(60), v, 3)';
  }
  if (/^(?:small)?money/.test(type)) {
    return 'cast(cast(v as decimal(19, 4)) as varchar(60))';
  }
  if (/^datetime$/.test(type)) {
    return 'convert(varchar(60), v, 121)';
  }
  if (type.startsWith('smalldatetime')) {
    return 'convert(varchar(60), v, 120)';
  }
  if (type.startsWith('geo')) {
    return "concat(v.STSrid, ';', v.AsTextZM())";
  }
  return /^(?:var)?binary|^image/.test(type) ? 'v' : 'cast(v as nvarchar(max))';
}

async function storedAs(
  fixture: SqlServerFixture,
  [type, token]: Cell,
): Promise<string | null> {
  await fixture.sql('drop table if exists item');
  await fixture.sql(
    `create table item (id int primary key, v ${type}, w ${type})`,
  );
  await applyTo(fixture, {
    item: [row(1, [1], { id: '1', v: token, w: 'null' })],
  });
  // Once as an insert, once as an update.
  await applyTo(fixture, {
    item: [row(2, [1], { id: '1', v: token, w: token })],
  });
  const column = readBack(type);
  const [stored] = await fixture.rows(
    `select ${column}, ${column.replace(/\bv\b/g, 'w')} from item`,
  );
  expect(stored![0]).toBe(stored![1]);
  return stored![0]!;
}

/** Two texts of one number. */
const sameNumber = (a: string | null, b: string): boolean =>
  a !== null && Number(a) === Number(b);

describe.skipIf(!hasServer)('a value of the source', () => {
  test('arrives in a column of each type as it is', async () => {
    await using fixture = await sqlserverFixture();
    const wrong: unknown[] = [];
    for (const cell of [...cells, ...(isBabelfish ? [] : onSqlServerOnly)]) {
      const [type, token, expected] = cell;
      const stored = await storedAs(fixture, cell).catch(
        (error: unknown) => `failed: ${String(error)}`,
      );
      const isRight =
        stored === expected ||
        (/^(float|real)/.test(type) && sameNumber(stored, expected));
      if (!isRight) {
        wrong.push([type, token, stored]);
      }
    }
    expect(wrong).toEqual([]);
  });

  test.each([
    ['int', '2147483648'],
    ['int', '1.5'],
    ['decimal(5,2)', '1.005'],
    ['varchar(3)', '"abcd"'],
    ['varchar(3)', '"表"'],
    ['date', '"infinity"'],
    ['datetime2(0)', '"2024-01-01T00:00:00.5"'],
    ['datetime', '"2024-01-01T00:00:00.001"'],
    ['time(0)', '"24:00:00"'],
    ['float', '"NaN"'],
    ['sql_variant', '1'],
  ])(
    'that %s cannot hold (%s) is refused, and nothing is written',
    async (type, token) => {
      await using fixture = await sqlserverFixture();
      await fixture.sql(`create table item (id int primary key, v ${type})`);
      const failure = await failureOf(
        applyTo(fixture, {
          item: [
            row(1, [1], { id: '1', v: 'null' }),
            row(1, [2], { id: '2', v: token }),
          ],
        }),
      );
      expect([failure.code, failure.disposition]).toEqual([
        'E4006',
        'set-aside',
      ]);
      expect(failure.message).toContain('"v"');
      expect(await fixture.rows('select id from item')).toEqual([]);
    },
  );
});
