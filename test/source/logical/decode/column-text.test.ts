import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { columnJson } from '../../../../src/source/logical/decode/column-text.ts';
import { JsonWriter } from '../../../../src/source/logical/decode/json-writer.ts';
import {
  type SourceType,
  TypeCatalog,
  type TypeRow,
} from '../../../../src/source/logical/decode/type-catalog.ts';

/** Of `pg_type`, as a server with these types would answer. */
const rows: readonly TypeRow[] = [
  { oid: '90001', kind: 'd', base_oid: '1042', base_modifier: 9 },
  { oid: 90_002, kind: 'b', base_oid: 0, element_oid: '90001', delimiter: ',' },
  { oid: 90_003, kind: 'd', base_oid: '1007' },
  { oid: 90_004, kind: 'b', base_oid: '0', element_oid: '90003' },
  {
    oid: 90_005,
    kind: 'c',
    base_oid: 0,
    fields: JSON.stringify([
      { name: 'n', oid: 1700, modifier: -1 },
      { name: 'é"', oid: 90_001, modifier: -1 },
      { name: 'd', oid: 3802, modifier: -1 },
    ]),
  },
  { oid: 90_006, kind: 'e', base_oid: 0 },
  { oid: 90_007, kind: 'b', base_oid: 0, element_oid: 603, delimiter: ';' },
].map((row) => ({
  base_modifier: -1,
  element_oid: null,
  delimiter: null,
  fields: null,
  ...row,
}));

async function catalog(): Promise<TypeCatalog> {
  const types = new TypeCatalog((oids) =>
    Promise.resolve(rows.filter(({ oid }) => oids.includes(Number(oid)))),
  );
  await types.learn(rows.map(({ oid }) => Number(oid)));
  return types;
}

/** Type, what PostgreSQL prints, what travels. */
const values: readonly (readonly [number, string, string])[] = [
  [20, '-9223372036854775808', '-9223372036854775808'],
  [1700, '1.500', '1.500'],
  [1700, 'NaN', '"NaN"'],
  [701, '-Infinity', '"-Infinity"'],
  [701, '1e-05', '1e-05'],
  [16, 't', 'true'],
  [16, 'f', 'false'],
  [25, 'a"b\\c\u0001', '"a\\"b\\\\c\\u0001"'],
  [17, '\\x00ff', '"\\\\x00ff"'],
  [1184, '2024-02-29 12:34:56+00', '"2024-02-29 12:34:56+00"'],
  [790, '-$1,234.50', '-1234.50'],
  [790, '1.234,50 €', '"1.234,50 €"'],
  [3802, '{"a": 1.0}', '{"a": 1.0}'],
  [114, ' \n null\t', '{"__crdb_json_null__": true}'],
  [114, ' {} ', '{}'],
  [1000, '{t,NULL,f}', '[true,null,false]'],
  [1009, '{NULL,"NULL","",a}', '[null,"NULL","","a"]'],
  [1007, '{}', '[]'],
  [1007, '{{1,2},{3,4}}', '[[1,2],[3,4]]'],
  [1007, '[0:1]={1,2}', '"[0:1]={1,2}"'],
  [3807, '{null,"[1]"}', '[{"__crdb_json_null__": true},[1]]'],
  [3807, '{{1},{2}}', '"{{1},{2}}"'],
  [90_001, 'ab   ', '"ab"'],
  [90_002, '{"ab   ",NULL}', '["ab",null]'],
  [90_003, '{1,2}', '[1,2]'],
  [90_004, '{"{1,2}"}', '"{\\"{1,2}\\"}"'],
  [
    90_005,
    '(1.0,"a""b  ",null)',
    '{"n":1.0,"é\\"":"a\\"b","d":{"__crdb_json_null__": true}}',
  ],
  [90_005, '(,,)', '{"n":null,"é\\"":null,"d":null}'],
  [90_005, '(1,2,3,4)', '"(1,2,3,4)"'],
  [90_006, 'so so', '"so so"'],
  [90_007, '{(1,1),(0,0);(2,2),(1,1)}', '["(1,1),(0,0)","(2,2),(1,1)"]'],
  [99_999, '(anything)', '"(anything)"'],
];

function written(type: SourceType, text: string): string {
  const writer = new JsonWriter();
  const source = Buffer.from(`<${text}>`);
  writer.value(type, source, 1, source.length - 1);
  return writer.text();
}

describe('the text of a value', () => {
  test.each(values)('of type %i becomes JSON: %s', async (oid, text, json) => {
    const type = (await catalog()).type(oid, -1);
    expect(columnJson(type, text)).toBe(json);
    expect(written(type, text)).toBe(json);
    expect(() => void JSON.parse(json)).not.toThrow();
  });

  test('of char(n) loses the blanks that fill it up, and of char keeps them', async () => {
    const types = await catalog();
    expect(written(types.type(1042, 7), ' a\t  ')).toBe('" a\\t"');
    expect(written(types.type(1042, -1), 'a  ')).toBe('"a  "');
    expect(written(types.type(1014, 7), '{"a  ","   "}')).toBe('["a",""]');
    expect(written(types.type(1042, 7), '   ')).toBe('""');
  });

  test('is written as it would be converted, of any length', () => {
    const texts = fc
      .tuple(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 2000 }))
      .map(([text, count]) => text.replaceAll('\0', '').repeat(count));
    fc.assert(
      fc.property(texts, (text) => {
        for (const kind of ['text', 'padded-text'] as const) {
          expect(written({ kind }, text)).toBe(columnJson({ kind }, text));
        }
        const document = JSON.stringify([text]);
        expect(written({ kind: 'json' }, document)).toBe(document);
      }),
    );
  });

  test.each([
    ['digits', ''],
    ['digits', '-'],
    ['digits', '1,2'],
    ['number', 'a1'],
    ['number', '1.2.3'],
    ['boolean', 'true'],
    ['boolean', ''],
  ] as const)('that is no %s is refused: %s', (kind, text) => {
    expect(() => written({ kind }, text)).toThrow(
      expect.objectContaining({ code: 'E6009' }),
    );
  });
});

describe('the catalog of types', () => {
  test('asks once for what it does not know, and for what that is made of', async () => {
    const asked: number[][] = [];
    const types = new TypeCatalog((oids) => {
      asked.push(oids);
      return Promise.resolve(
        rows.filter(({ oid }) => oids.includes(Number(oid))),
      );
    });
    expect(types.unknown([25, 1184])).toEqual([]);
    expect(types.unknown([90_002, 90_002, 25])).toEqual([90_002]);
    await types.learn([90_002, 25, 99_999]);
    expect(asked).toEqual([[90_002, 99_999], [90_001]]);
    expect(types.type(90_002, -1)).toEqual({
      kind: 'array',
      element: { kind: 'padded-text' },
      delimiter: ',',
    });
    expect(types.unknown([90_001, 90_002, 99_999])).toEqual([]);
    await types.learn([90_001]);
    expect(asked.length).toBe(2);
  });

  test('asks again for all of it after a question that failed', async () => {
    let answerCount = 1;
    const types = new TypeCatalog(async (oids) => {
      if (answerCount === 0) {
        throw new Error('down');
      }
      answerCount -= 1;
      return rows.filter(({ oid }) => oids.includes(Number(oid)));
    });
    await expect(types.learn([90_002])).rejects.toThrow('down');
    expect(types.unknown([90_002])).toEqual([90_002]);
    answerCount = 2;
    await types.learn([90_002]);
    expect(types.type(90_002, -1)).toMatchObject({
      element: { kind: 'padded-text' },
    });
  });
});
