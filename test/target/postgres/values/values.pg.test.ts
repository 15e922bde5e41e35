/**
 * Every type, as the changefeed's JSON tells it, against what a plain INSERT
 * of the same literal stores; compared as text.
 */
import { describe, expect, test } from 'vitest';
import { applyTo, failureOf, row } from '../../../contract/target-fixture.ts';
import { type PostgresFixture, postgresFixture } from '../fixture.ts';

/** JSON token, and the literal that a person would write. */
type Pair = readonly [token: string, literal: string | null];

const digits1000 = `${'1234567890'.repeat(99)}1234567890.${'0987654321'.repeat(10)}`;

const same = (...texts: string[]): Pair[] =>
  texts.map((text) => [JSON.stringify(text), text]);
const bare = (...tokens: string[]): Pair[] =>
  tokens.map((token) => [token, token]);

const hostileTexts = [
  '',
  ' ',
  'NULL',
  'null',
  'nUlL',
  '"',
  '\\',
  '\\\\',
  '\\"',
  '{}',
  '{a,b}',
  ',',
  'a,b',
  '(a,b)',
  "'",
  "''",
  '$1',
  '\n\t\r\b\f',
  '\u0001\u007f',
  'ä€😀',
  '\u2028',
  '/',
  ' leading',
  'trailing ',
];

const cases: Readonly<Record<string, readonly Pair[]>> = {
  int2: bare('-32768', '32767'),
  int4: [...bare('-2147483648', '2147483647'), ['"12"', '12']],
  int8: bare('-9223372036854775808', '9223372036854775807', '9007199254740993'),
  numeric: [
    ...bare(
      digits1000,
      `-${digits1000}`,
      '0',
      '-0',
      '1e400',
      '1E-300',
      '1.10',
      '1.100',
    ),
    ...same('NaN', 'Infinity', '-Infinity'),
  ],
  'numeric(6,2)': [...bare('1234.56', '1.500', '-0.01'), ...same('NaN')],
  float4: [
    ...bare('1.1', '-0', '3.4e38', '1e-45'),
    ...same('NaN', 'Infinity', '-Infinity'),
  ],
  float8: [
    ...bare(
      '0.1',
      '-0',
      '1.7976931348623157e308',
      '5e-324',
      '0.30000000000000004',
    ),
    ...same('NaN', 'Infinity', '-Infinity'),
  ],
  bool: [...bare('true', 'false'), ['"t"', 't']],
  text: [
    ...same(...hostileTexts),
    ['12.50', '12.50'],
    ['true', 'true'],
    ['{"a": [1.0, "\\u00e4\\n"]}', '{"a": [1.0, "\\u00e4\\n"]}'],
    ['[1,  2]', '[1,  2]'],
    ['"\\u0041\\/\\ud83d\\ude00"', 'A/😀'],
  ],
  'varchar(5)': same('', 'abcde', 'ääääää'.slice(0, 5), 'ab   '),
  'char(5)': same('', 'ab', 'abcde', 'ab '),
  '"char"': same('a', ''),
  name: same('x', 'x'.repeat(63)),
  bytea: same('\\x', '\\x00ff0a5c22', '\\xDEADBEEF'),
  uuid: same(
    '00000000-0000-0000-0000-000000000000',
    'F47AC10B-58CC-4372-A567-0E02B2C3D479',
  ),
  inet: same('10.0.0.1', '10.0.0.1/8', '::1', '2001:db8::/32'),
  cidr: same('10.0.0.0/8', '2001:db8::/32'),
  macaddr: same('08:00:2b:01:02:03'),
  interval: same(
    '1 day',
    '-1 years -2 mons +3 days -04:05:06.789',
    'P1Y2M3DT4H5M6.5S',
    '00:00:00',
    '24:00:00',
  ),
  'bit(3)': same('101', '000'),
  'bit(1)': same('1', '0'),
  varbit: same('', '1', '10101010101'),
  date: same(
    '2024-02-29',
    'infinity',
    '-infinity',
    '0044-03-15 BC',
    '5874897-12-31',
    '4714-11-24 BC',
  ),
  time: same('00:00:00', '24:00:00', '23:59:59.999999'),
  timetz: same('00:00:00+15:59', '24:00:00-15:59', '04:05:06.789-08'),
  timestamp: same(
    '2024-01-02T03:04:05.123456',
    '2024-01-02T03:04:05.999999000',
    'infinity',
    '-infinity',
    '0044-03-15 12:00:00 BC',
    '294276-12-31T23:59:59.999999',
  ),
  timestamptz: same(
    '2024-01-02T03:04:05.123456Z',
    '2024-01-02T03:04:05.123456+05:30',
    'infinity',
    '-infinity',
    '0044-03-15 12:00:00+00 BC',
  ),
  mood: same('happy', 'so so', 'quo"te', 'NULL', ''),
  short: same('', 'abc'),
  positive: bare('1', '2147483647'),
  moods_domain: [
    ['["happy", null]', '{happy,NULL}'],
    ['[]', '{}'],
  ],
  'int8[]': [
    ['[]', '{}'],
    ['[9223372036854775807, null, -1]', '{9223372036854775807,NULL,-1}'],
    ['[[1, 2], [3, null]]', '{{1,2},{3,NULL}}'],
    ['[[[1],[2]],[[3],[4]]]', '{{{1},{2}},{{3},{4}}}'],
    ['"{1,2}"', '{1,2}'],
    ['"[0:1]={1,2}"', '[0:1]={1,2}'],
  ],
  'numeric[]': [[`[${digits1000}, "NaN", 1e400]`, `{${digits1000},NaN,1e400}`]],
  'bool[]': [['[true, false, null]', '{t,f,NULL}']],
  'text[]': [
    [
      JSON.stringify(hostileTexts),
      `{${hostileTexts.map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`).join(',')}}`,
    ],
    ['[["a,b", "{}"], ["\\\\", null]]', '{{"a,b","{}"},{"\\\\",NULL}}'],
    ['[1.50, true, {"a": 1}]', '{1.50,true,"{\\"a\\": 1}"}'],
  ],
  'varchar(3)[]': [['["abc", ""]', '{abc,""}']],
  'bytea[]': [['["\\\\x00ff", null]', '{"\\\\x00ff",NULL}']],
  'timestamptz[]': [
    ['["2024-01-02T03:04:05Z", "infinity"]', '{2024-01-02T03:04:05Z,infinity}'],
  ],
  'uuid[]': [
    [
      '["f47ac10b-58cc-4372-a567-0e02b2c3d479"]',
      '{f47ac10b-58cc-4372-a567-0e02b2c3d479}',
    ],
  ],
  'mood[]': [
    ['["so so", "quo\\"te", null, "NULL"]', '{"so so","quo\\"te",NULL,"NULL"}'],
  ],
  'positive[]': [['[1, 2, null]', '{1,2,NULL}']],
  'bit(3)[]': [['["101", null]', '{101,NULL}']],
  box: same('(1,2),(3,4)'),
  'box[]': [['["(3,4),(1,2)", "(1,1),(0,0)"]', '{(3,4),(1,2);(1,1),(0,0)}']],
  json: [
    [
      '{"a":  1.0, "b": [1e400, "\\u00e4\\n\\\\"], "a": 2}',
      '{"a":  1.0, "b": [1e400, "\\u00e4\\n\\\\"], "a": 2}',
    ],
    ['"text"', '"text"'],
    ['12.50', '12.50'],
    ['{"__crdb_json_null__": true}', 'null'],
    [
      '{"__crdb_json_null__": true, "x": 1}',
      '{"__crdb_json_null__": true, "x": 1}',
    ],
  ],
  jsonb: [
    [
      '{"b": 1.00, "a": [1e400, "\\u00e4\\"\\n\\\\"]}',
      '{"b": 1.00, "a": [1e400, "\\u00e4\\"\\n\\\\"]}',
    ],
    ['[]', '[]'],
    ['false', 'false'],
    ['{"__crdb_json_null__":true}', 'null'],
  ],
  'jsonb[]': [
    [
      '[{"a": "x\\"y"}, [1, 2], "s", 1.50, null, {"__crdb_json_null__": true}]',
      '{"{\\"a\\": \\"x\\\\\\"y\\"}","[1, 2]","\\"s\\"","1.50",NULL,"null"}',
    ],
  ],
  pair: [
    [
      '{"n": 9223372036854775807, "the text": "a\\"b\\\\c,(d)"}',
      '(9223372036854775807,"a\\"b\\\\c,(d)")',
    ],
    ['{"the text": "", "n": null}', '(,"")'],
    ['{"the text": "NULL"}', '(,NULL)'],
    ['"(1,x)"', '(1,x)'],
  ],
  nest: [
    [
      '{"p": {"n": 1, "the text": "x, \\"y\\""}, "l": [1, null], "j": {"k": "v"}, "ps": [{"n": 2, "the text": null}]}',
      '("(1,""x, \\\\""y\\\\"""")","{1,NULL}","{""k"": ""v""}","{""(2,)""}")',
    ],
  ],
  'pair[]': [
    [
      '[{"n": 1, "the text": "a\\"b"}, null, {"n": null, "the text": "{,}"}]',
      '{"(1,\\"a\\\\\\"b\\")",NULL,"(,\\"{,}\\")"}',
    ],
    ['[]', '{}'],
  ],
  int4range: same('[1,10)', 'empty', '(,5]'),
  tstzrange: same('[2024-01-01T00:00:00Z,infinity)'),
  nummultirange: same('{[1,2),[3,4)}', '{}'),
  'int4range[]': [['["[1,10)", "empty"]', '{"[1,10)",empty}']],
  citext: same('MixedCase', 'a"b\\c'),
  'citext[]': [['["A", "b"]', '{A,b}']],
  hstore: same('"a"=>"1", "b"=>NULL', ''),
  ltree: same('Top.Science.Astronomy'),
  xml: same('<a b="c">d &amp; e</a>', 'text'),
  money: [['12.34', '12.34'], ...same('$1,234.56', '-$5.00')],
  oid: bare('0', '4294967295'),
  tsvector: same("'a':1 'fat':2,4A 'it''s':3"),
  tsquery: same("'fat' & ( 'rat' | 'cat' )"),
  point: same('(1.5,-2)'),
  path: same('[(0,0),(1,1)]', '((0,0),(1,1))'),
  polygon: same('((0,0),(1,1),(1,0))'),
  circle: same('<(1,2),3>'),
  pg_lsn: same('16/B374D848'),
  jsonpath: same('$."a"[*]'),
  'odd "type"': same('x"y', ''),
};

async function typesFixture(): Promise<PostgresFixture> {
  const fixture = await postgresFixture();
  for (const statement of [
    'create extension citext',
    'create extension hstore',
    'create extension ltree',
    `create type mood as enum ('happy', 'so so', 'quo"te', 'NULL', '')`,
    'create domain short as varchar(3)',
    'create domain positive as int4 check (value > 0)',
    'create domain moods_domain as mood[]',
    'create type pair as (n int8, "the text" text)',
    'create type nest as (p pair, l int4[], j jsonb, ps pair[])',
    `create type "odd ""type""" as enum ('x"y', '')`,
  ]) {
    await fixture.sql(statement);
  }
  return fixture;
}

const sqlType = (type: string): string =>
  type === 'odd "type"' ? '"odd ""type"""' : type;

describe('values of every type', () => {
  test('are stored as a plain INSERT of the literal stores them', async () => {
    await using fixture = await typesFixture();
    const differences: unknown[] = [];
    for (const [type, pairs] of Object.entries(cases)) {
      await fixture.sql(
        `create table value (id int8 primary key, v ${sqlType(type)})`,
      );
      await fixture.sql(
        `create table plain (id int8 primary key, v ${sqlType(type)})`,
      );
      const all: readonly Pair[] = [...pairs, ['null', null]];
      for (const [index, [, literal]] of all.entries()) {
        await fixture.database.query(
          `insert into plain values (${index}, $1)`,
          [literal],
        );
      }
      const rows = all.map(([token], index) =>
        row(1, [index], { id: String(index), v: token }),
      );
      // Twice: as an insert and as an update.
      await applyTo(fixture, { value: rows });
      await applyTo(fixture, { value: rows });
      const stored = await fixture.rows(
        'select v::text from value order by id',
      );
      const expected = await fixture.rows(
        'select v::text from plain order by id',
      );
      if (JSON.stringify(stored) !== JSON.stringify(expected)) {
        differences.push({ type, stored, expected });
      }
      await fixture.sql('drop table value, plain');
    }
    expect(differences).toEqual([]);
  });

  test('serve as keys of rows that are updated and deleted', async () => {
    await using fixture = await typesFixture();
    const unordered = new Set([
      'json',
      'xml',
      'box',
      'box[]',
      'point',
      'path',
      'polygon',
      'circle',
      'jsonpath',
    ]);
    const differences: unknown[] = [];
    for (const [type, pairs] of Object.entries(cases)) {
      if (unordered.has(type)) {
        continue;
      }
      await fixture.sql(
        `create table value (k ${sqlType(type)} primary key, n int4)`,
      );
      const [token] = pairs[0]!;
      await applyTo(fixture, {
        value: [row(1, [token], { k: token, n: '1' })],
      });
      await applyTo(fixture, {
        value: [row(2, [token], { k: token, n: '2' })],
      });
      const updated = await fixture.rows('select n from value');
      await applyTo(fixture, { value: [row(3, [token], null)] });
      const deleted = await fixture.rows('select n from value');
      if (JSON.stringify([updated, deleted]) !== '[[["2"]],[]]') {
        differences.push({ type, updated, deleted });
      }
      await fixture.sql('drop table value');
    }
    expect(differences).toEqual([]);
  });

  test('that do not fit are refused where a plain INSERT refuses them', async () => {
    await using fixture = await typesFixture();
    const refused: Readonly<Record<string, readonly Pair[]>> = {
      'varchar(3)': same('abcd'),
      'char(3)': same('abcd'),
      'bit(3)': same('10', '1011'),
      'bit(1)': same('10'),
      'varbit(3)': same('1011'),
      'numeric(5,2)': bare('1000', '999.995'),
      int2: bare('32768'),
      int4: [
        ...bare('2147483648', '1.5'),
        ['{"a": 1}', '{"a": 1}'],
        ['""', ''],
      ],
      int8: bare('9223372036854775808', '1e400'),
      float8: bare('1e400'),
      bool: same('perhaps'),
      date: same('2024-02-30'),
      mood: same('unknown'),
      short: same('abcd'),
      positive: bare('0'),
      'varchar(3)[]': [['["abcd"]', '{abcd}']],
      'short[]': [['["abcd"]', '{abcd}']],
      'positive[]': [['[0]', '{0}']],
      'bit(3)[]': [['["10"]', '{10}']],
      'numeric(5,2)[]': [['[1000]', '{1000}']],
      'int4[]': [
        ['[[1],[2,3]]', '{{1},{2,3}}'],
        ['{"a": 1}', '{"a": 1}'],
      ],
      pair: [
        ['{"n": "x"}', '(x,)'],
        ['[1]', '[1]'],
      ],
      jsonb: same('\0'),
      text: [['"\\u0000"', null]],
      uuid: same('not-a-uuid'),
    };
    for (const [type, pairs] of Object.entries(refused)) {
      await fixture.sql(`create table value (id int8 primary key, v ${type})`);
      for (const [token, literal] of pairs) {
        const plain =
          literal === null || type === 'jsonb'
            ? null
            : await fixture.database
                .query('insert into value values (1, $1)', [literal])
                .then(
                  () => 'stored',
                  () => null,
                );
        expect([type, token, plain]).toEqual([type, token, null]);
        const failure = await failureOf(
          applyTo(fixture, { value: [row(1, [1], { id: '1', v: token })] }),
        );
        expect([type, token, failure.disposition]).toEqual([
          type,
          token,
          'set-aside',
        ]);
        expect(await fixture.rows('select * from value')).toEqual([]);
      }
      await fixture.sql('drop table value');
    }
  });

  test('half of a surrogate pair and unknown fields are refused, not replaced', async () => {
    await using fixture = await typesFixture();
    await fixture.sql(
      'create table value (id int8 primary key, v text, p pair)',
    );
    for (const after of [
      { id: '1', v: '"\\ud800"' },
      { id: '1', p: '{"n": 1, "stranger": 2}' },
    ]) {
      const failure = await failureOf(
        applyTo(fixture, { value: [row(1, [1], after)] }),
      );
      expect(failure.code).toBe('E4006');
    }
  });
});
