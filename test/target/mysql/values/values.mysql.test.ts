/** Source value → target → read back as text; or the refusal. */
import { describe, expect, test } from 'vitest';
import { openMysqlTarget } from '../../../../src/target/mysql/dialect.ts';
import { defaultTargetOptions } from '../../../../src/target/open-target.ts';
import type { ReplacedValue } from '../../../../src/target/value-policy.ts';
import { applyTo, failureOf, row } from '../../../contract/target-fixture.ts';
import type { MysqlProduct } from '../../../support/mysql-binaries.ts';
import { MYSQL_PRODUCTS } from '../../../support/mysql-test-database.ts';
import { type MysqlFixture, mysqlFixture } from '../fixture.ts';

/** Type, JSON, what `select` reads back. */
type Kept = readonly [type: string, token: string, text: string | null];
type Refused = readonly [type: string, token: string, reason: RegExp];

const kept: readonly Kept[] = [
  ['tinyint(1)', 'true', '1'],
  ['tinyint(1)', 'false', '0'],
  ['tinyint', '-128', '-128'],
  ['tinyint unsigned', '255', '255'],
  ['mediumint', '-8388608', '-8388608'],
  ['int', '1.0', '1'],
  ['int', '1e3', '1000'],
  ['bigint', '"9223372036854775807"', '9223372036854775807'],
  ['bigint unsigned', '18446744073709551615', '18446744073709551615'],
  ['decimal(10,2)', '12345678.90', '12345678.90'],
  ['decimal(10,2)', '1.100', '1.10'],
  [
    'decimal(65,30)',
    '0.000000000000000000000000000001',
    '0.000000000000000000000000000001',
  ],
  ['double', '0.1', '0.1'],
  ['double', '-1.7976931348623157e308', '-1.7976931348623157e308'],
  ['float', '1.5', '1.5'],
  ['year', '1999', '1999'],
  ['bit(1)', 'true', '0x01'],
  ['bit(10)', '"1000000001"', '0x0201'],
  ['bit(64)', '18446744073709551615', '0xffffffffffffffff'],
  ['varchar(3)', '"äöü"', 'äöü'],
  ['varchar(3)', '"a  "', 'a  '],
  ['varchar(10)', '"\\u0041\\ud83d\\ude00\\f\\u0001"', 'A😀\f\u0001'],
  ['varchar(10)', '"a\\u0000b"', 'a\0b'],
  ['varchar(20)', '"\\\\N"', '\\N'],
  ['varchar(20)', '"\\\\"', '\\'],
  ['varchar(20)', '"NULL"', 'NULL'],
  ['varchar(20)', '""', ''],
  ['varchar(20)', '"a\\tb\\nc\\r\\"d\'"', 'a\tb\nc\r"d\''],
  ['varchar(20)', '12.50', '12.50'],
  ['varchar(20)', 'true', 'true'],
  ['varchar(20) character set latin1', '"é"', 'é'],
  [
    'char(36)',
    '"2f1e6cf0-7b5c-4d2e-9d0b-0f9b0a4ad1c2"',
    '2f1e6cf0-7b5c-4d2e-9d0b-0f9b0a4ad1c2',
  ],
  ['longtext', '[1, "two", null]', '[1, "two", null]'],
  ['tinytext', '"x"', 'x'],
  [
    'binary(16)',
    '"2f1e6cf0-7b5c-4d2e-9d0b-0f9b0a4ad1c2"',
    '0x2f1e6cf07b5c4d2e9d0b0f9b0a4ad1c2',
  ],
  ['varbinary(10)', '"\\\\x00ff5c0a"', '0x00ff5c0a'],
  ['varbinary(10)', '"\\\\x"', '0x'],
  ['blob', '"ä"', '0xc3a4'],
  ['longblob', '"\\\\x092700225c4e"', '0x092700225c4e'],
  ["enum('one','it''s','1')", '"it\'s"', "it's"],
  ["enum('b','1')", '"1"', '1'],
  ["set('a','b','c')", '"a,c"', 'a,c'],
  ["set('a','b','c')", '["a", "b"]', 'a,b'],
  ["set('a','b','c')", '""', ''],
  ['date', '"2024-02-29"', '2024-02-29'],
  ['date', '"0001-01-01"', '0001-01-01'],
  ['date', '"9999-12-31"', '9999-12-31'],
  ['datetime', '"2024-05-06 07:08:09"', '2024-05-06 07:08:09'],
  [
    'datetime(6)',
    '"2024-05-06T07:08:09.123456Z"',
    '2024-05-06 07:08:09.123456',
  ],
  ['datetime(6)', '"2024-05-06 07:08:09.5+02"', '2024-05-06 05:08:09.500000'],
  ['datetime(6)', '"2024-01-01T00:30:00+05:30"', '2023-12-31 19:00:00.000000'],
  ['datetime(6)', '"0001-01-01T00:00:00Z"', '0001-01-01 00:00:00.000000'],
  ['datetime(3)', '"2024-05-06 07:08:09.123000"', '2024-05-06 07:08:09.123'],
  [
    'timestamp(6) null',
    '"2038-01-19T03:14:07.999999Z"',
    '2038-01-19 03:14:07.999999',
  ],
  ['timestamp null', '"1970-01-01 00:00:01"', '1970-01-01 00:00:01'],
  ['time(6)', '"23:59:59.999999"', '23:59:59.999999'],
  ['time', '"24:00:00"', '24:00:00'],
  ['json', 'null', null],
  ['json', '{"__crdb_json_null__": true}', 'null'],
  ['json', '"text"', '"text"'],
  ['json', '18446744073709551615', '18446744073709551615'],
];

const refused: readonly Refused[] = [
  ['tinyint', '128', /outside -128 to 127/],
  ['int', '1.5', /fraction/],
  ['int', '"x"', /number/],
  ['int unsigned', '-1', /./],
  ['decimal(10,2)', '1.001', /./],
  ['decimal(4,2)', '100', /./],
  ['decimal(10,2)', '"NaN"', /./],
  ['double', '"Infinity"', /finite/],
  ['double', '0.12345678901234567890', /rounded/],
  ['float', '0.123456789', /rounded/],
  ['bit(3)', '8', /3 bits/],
  ['bit(3)', '"01"', /2 bits and not 3/],
  ['varchar(3)', '"abcd"', /longer than 3/],
  ['varchar(3)', '"abc "', /longer than 3/],
  ['char(3)', '"a "', /spaces/],
  ['tinytext', `"${'x'.repeat(256)}"`, /longer than 255 bytes/],
  ['varchar(9)', '"\\ud83d"', /surrogate/],
  ['varchar(20) character set latin1', '"漢"', /error (1366|3988)/],
  ['binary(4)', '"\\\\x01"', /fills it up/],
  ['varbinary(2)', '"\\\\x010203"', /longer than 2 bytes/],
  ["enum('a','b')", '"1"', /labels/],
  ["enum('a','b')", '"A"', /labels/],
  ["set('a','b')", '"a,x"', /labels/],
  ['date', '"infinity"', /./],
  ['date', '"0044-03-15 BC"', /./],
  ['date', '"0000-00-00"', /./],
  ['date', '"10000-01-01"', /./],
  ['datetime', '"2024-05-06 07:08:09.5"', /./],
  ['datetime(6)', '"2024-05-06 07:08:09.1234567"', /./],
  ['timestamp null', '"2038-01-19T03:14:08Z"', /./],
  ['timestamp null', '"1970-01-01T00:00:00Z"', /./],
  ['time', '"10:00:00.25"', /./],
  ['time', '"10:00:00+02"', /./],
  ['year', '1900', /./],
];

async function storeOne(
  fixture: MysqlFixture,
  type: string,
  token: string,
  target = fixture.target,
): Promise<string | null> {
  await fixture.sql('drop table if exists item');
  await fixture.sql(`create table item (id int primary key, v ${type})`);
  await applyTo(
    fixture,
    { item: [row(1, [1], { id: '1', v: token })] },
    { target },
  );
  const [stored] = await fixture.rows('select v from item');
  return stored![0]!;
}

const ways: readonly [string, number][] = [
  ['LOAD DATA', 0],
  ['a parameter', Infinity],
];

function describeEach(
  name: string,
  register: (product: MysqlProduct, open: () => Promise<MysqlFixture>) => void,
): void {
  for (const product of MYSQL_PRODUCTS) {
    for (const [way, fewRows] of ways) {
      describe(`${name}: ${product}, through ${way}`, () => {
        register(product, () => mysqlFixture(product, { fewRows }));
      });
    }
  }
}

describeEach('values', (product, open) => {
  test('arrive as they were', async () => {
    await using fixture = await open();
    const stored: Kept[] = [];
    for (const [type, token] of kept) {
      const text = await storeOne(fixture, type, token).catch(String);
      stored.push([type, token, text]);
    }
    expect(stored).toEqual(kept);
  });

  test('that the column would change are refused, without the value', async () => {
    await using fixture = await open();
    for (const [type, token, reason] of refused) {
      const outcome = await storeOne(fixture, type, token).catch(
        (error: unknown) => error,
      );
      expect([type, token, outcome]).toEqual([
        type,
        token,
        expect.objectContaining({ code: 'E4006' }),
      ]);
      const { message } = outcome as Error;
      expect(message).toMatch(reason);
      expect(message).toMatch(/column "?v"?/);
    }
  });

  test('as policy has it become null or the nearest that fits, and are told', async () => {
    await using fixture = await open();
    const told: string[] = [];
    await using target = openMysqlTarget({
      ...defaultTargetOptions,
      url: fixture.url,
      valuePolicies: {
        policyOf: (_, column) => (column.name === 'v' ? 'clamp' : 'null'),
        onReplaced: ({ column, key, policy }: ReplacedValue) =>
          told.push(`${column.name} ${key} ${policy}`),
      },
    });
    expect(await storeOne(fixture, 'tinyint', '200', target)).toBe('127');
    expect(await storeOne(fixture, 'varchar(3)', '"ab\\tcd"', target)).toBe(
      'ab\t',
    );
    expect(await storeOne(fixture, 'decimal(4,2)', '1.239', target)).toBe(
      '1.24',
    );
    expect(
      await storeOne(
        fixture,
        'timestamp null',
        '"2040-01-01T00:00:00+02"',
        target,
      ),
    ).toBe('2038-01-19 03:14:07');
    expect(told).toEqual(Array(4).fill('v [1] clamp'));
    await fixture.sql('create table two (id int primary key, w date)');
    await applyTo(
      fixture,
      { two: [row(1, [7], { id: '7', w: '"infinity"' })] },
      { target },
    );
    expect(await fixture.rows('select id, w from two')).toEqual([['7', null]]);
    expect(told.at(-1)).toBe('w [7] null');
  });

  test('of JSON keep their digits, or are refused', async () => {
    await using fixture = await open();
    const rounded = '{"n": 12345678901234567890.123}';
    const outcome = await storeOne(fixture, 'json', rounded).catch(
      (error: { code: string }) => error.code,
    );
    expect(outcome).toBe(product === 'mysql' ? 'E4006' : rounded);
    expect(
      await storeOne(fixture, 'json', '["12345678901234567890.123", 0.5]'),
    ).toBe('["12345678901234567890.123", 0.5]');
  });

  test('that the server would make up for null are not made up', async () => {
    await using fixture = await open();
    await fixture.sql(
      'create table item (id int primary key, n bigint not null auto_increment unique, t timestamp(6) not null)',
    );
    const at = '"2024-01-01T00:00:00Z"';
    for (const made of [
      { n: 'null', t: at },
      { n: '1', t: 'null' },
    ]) {
      const failure = await failureOf(
        applyTo(fixture, { item: [row(1, [1], { id: '1', ...made })] }),
      );
      expect(failure.code).toBe('E4005');
    }
    await applyTo(fixture, { item: [row(1, [1], { id: '1', n: '0', t: at })] });
    expect(await fixture.rows('select n from item')).toEqual([['0']]);
  });

  test('of types that only one product has', async () => {
    await using fixture = await open();
    if (product === 'mariadb') {
      const uuid = '2f1e6cf0-7b5c-4d2e-9d0b-0f9b0a4ad1c2';
      expect(await storeOne(fixture, 'inet6', '"2001:db8::1"')).toBe(
        '2001:db8::1',
      );
      await fixture.sql('create table u (id uuid primary key, n int unique)');
      for (const n of ['1', '2']) {
        await applyTo(fixture, {
          u: [row(1, [`"${uuid}"`], { id: `"${uuid}"`, n })],
        });
      }
      expect(await fixture.rows('select id, n from u')).toEqual([[uuid, '2']]);
      await applyTo(fixture, { u: [row(2, [`"${uuid}"`], null)] });
      expect(await fixture.rows('select id from u')).toEqual([]);
    } else {
      expect(
        await storeOne(fixture, 'json', '{"b": [1.5, 9007199254740993]}'),
      ).toBe('{"b": [1.5, 9007199254740993]}');
    }
  });

  test('in UTC, whatever the time zone of the server', async () => {
    await using fixture = await open();
    await fixture.sql(
      'create table item (id int primary key, v timestamp(6) null)',
    );
    await applyTo(fixture, {
      item: [row(1, [1], { id: '1', v: '"2024-07-01T12:00:00.5Z"' })],
    });
    await fixture.database.sql("set time_zone = '+00:00'");
    expect(
      await fixture.rows(
        "select unix_timestamp(v) = unix_timestamp(convert_tz('2024-07-01 12:00:00.5', '+00:00', @@session.time_zone)) from item",
      ),
    ).toEqual([['1']]);
  });

  test('of geometries keep their coordinates and their reference system', async () => {
    await using fixture = await open();
    const srid = product === 'mysql' ? 'srid 4326' : '';
    await fixture.sql(
      `create table place (id int primary key, g geometry ${srid}, p geometry)`,
    );
    const lonLat = product === 'mysql' ? `, 'axis-order=long-lat'` : '';
    const point = '{"type": "Point", "coordinates": [11.5, 48.25]}';
    const givenSrid =
      product === 'mysql' ? point : '"SRID=4326;POINT(11.5 48.25)"';
    await applyTo(fixture, {
      place: [
        row(1, [1], { id: '1', g: givenSrid, p: '"POINT(1 2)"' }),
        // PostGIS' form of SRID=4326;POINT(11.5 48.25).
        row(1, [2], {
          id: '2',
          g: '"0101000020E610000000000000000027400000000000204840"',
          p: 'null',
        }),
        row(1, [3], {
          id: '3',
          g: 'null',
          p: '{"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [1, 1], [0, 0]]]}',
        }),
      ],
    });
    expect(
      await fixture.rows(
        `select id, st_astext(g${lonLat}), st_srid(g), st_astext(p), st_srid(p) from place order by id`,
      ),
    ).toEqual([
      ['1', 'POINT(11.5 48.25)', '4326', 'POINT(1 2)', '0'],
      ['2', 'POINT(11.5 48.25)', '4326', null, null],
      ['3', null, null, 'POLYGON((0 0,0 1,1 1,0 0))', '0'],
    ]);
    const failure = await failureOf(
      applyTo(fixture, {
        place: [row(1, [4], { id: '4', p: '"POINT(secret)"' })],
      }),
    );
    expect(failure.code).toBe('E4006');
    expect(failure.message).not.toContain('secret');
  });
});

describeEach('keys', (_, open) => {
  const keyTypes: readonly [string, string, string][] = [
    ['tinyint unsigned', '1', '255'],
    ['decimal(20,4)', '1.5', '12345678901234.5678'],
    ['double', '0.5', '-2.25'],
    ['bit(12)', '5', '"100000000001"'],
    ['char(5)', '"a"', '"b"'],
    ['varchar(20) character set latin1', '"é"', '"x"'],
    ['varchar(20) collate utf8mb4_general_ci', '"a\\\\\'b"', '"\\"\\n"'],
    ['varbinary(20)', '"\\\\x00"', '"\\\\x5c27"'],
    [
      'binary(16)',
      '"2f1e6cf0-7b5c-4d2e-9d0b-0f9b0a4ad1c2"',
      '"2f1e6cf0-7b5c-4d2e-9d0b-0f9b0a4ad1c3"',
    ],
    ['date', '"2024-01-02"', '"2024-01-03"'],
    [
      'datetime(6)',
      '"2024-01-02T03:04:05.000006Z"',
      '"2024-01-02 03:04:05+01"',
    ],
    ['timestamp(3)', '"2024-01-02T03:04:05.006Z"', '"2024-01-02 03:04:05"'],
    ['time(6)', '"10:00:00.5"', '"-10:00:00"'],
    ["enum('x','y')", '"x"', '"y"'],
    ['year', '2000', '2001'],
  ];

  test('of any type find their rows', async () => {
    await using fixture = await open();
    for (const [type, first, second] of keyTypes) {
      await fixture.sql('drop table if exists item');
      await fixture.sql(
        `create table item (id ${type} not null primary key, n int, code int unique)`,
      );
      const write = async (n: number): Promise<void> =>
        applyTo(fixture, {
          item: [
            row(n, [first], { id: first, n: String(n), code: '1' }),
            row(n, [second], { id: second, n: String(n), code: '2' }),
          ],
        });
      await write(1);
      await write(2);
      expect([
        type,
        await fixture.rows('select n, code from item order by code'),
      ]).toEqual([
        type,
        [
          ['2', '1'],
          ['2', '2'],
        ],
      ]);
      await applyTo(fixture, { item: [row(3, [first], null)] });
      expect([type, await fixture.rows('select code from item')]).toEqual([
        type,
        [['2']],
      ]);
    }
  });

  test('that the collation takes for one are never merged', async () => {
    await using fixture = await open();
    await fixture.sql(
      'create table item (id varchar(20) character set utf8mb4 collate utf8mb4_general_ci primary key, n int)',
    );
    const keyed = (second: number, id: string, n: string | null) =>
      row(second, [`"${id}"`], n === null ? null : { id: `"${id}"`, n });
    const together = await failureOf(
      applyTo(fixture, { item: [keyed(1, 'a', '1'), keyed(1, 'A', '2')] }),
    );
    expect([together.code, together.disposition]).toEqual(['E4013', 'defer']);
    await applyTo(fixture, { item: [keyed(1, 'a', '1')] });
    for (const id of ['A', 'á', 'a ']) {
      const later = await failureOf(
        applyTo(fixture, { item: [keyed(2, id, '2')] }),
      );
      expect(later.code).toBe('E4013');
      expect(later.message).not.toContain(`"${id}"`);
      // A stranger's row is not deleted either.
      await applyTo(fixture, { item: [keyed(2, id, null)] });
    }
    expect(await fixture.rows('select id, n from item')).toEqual([['a', '1']]);
    // The source has changed the key: its old row goes first.
    await applyTo(
      fixture,
      { item: [keyed(3, 'a', null), keyed(3, 'A', '3')] },
      { order: 'deletes-first' },
    );
    expect(await fixture.rows('select id, n from item')).toEqual([['A', '3']]);
  });

  test('are numbers as they are, zero too', async () => {
    await using fixture = await open();
    await fixture.sql(
      'create table item (id int auto_increment primary key, n int)',
    );
    await applyTo(fixture, {
      item: [
        row(1, [0], { id: '0', n: '1' }),
        row(1, [-5], { id: '-5', n: '2' }),
      ],
    });
    expect(await fixture.rows('select id, n from item order by id')).toEqual([
      ['-5', '2'],
      ['0', '1'],
    ]);
  });
});
